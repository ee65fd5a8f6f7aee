"""What the documents of a codec look like, for records, keys and meta of given types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Union

import msgspec
from msgspec import UNSET, UnsetType, inspect

from .changes import MISSING, ChangeSet
from .commit import Commit
from .encoding import Part, Settings
from .errors import ArgumentTypeError
from .showing import shown
from .snapshot import Snapshot

__all__ = ["Document", "Layout"]

_NAMES: Final = (
    inspect.StrType,
    inspect.IntType,
    inspect.DecimalType,
    inspect.UUIDType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.BytesType,
    inspect.EnumType,
)
"""Types of keys that JSON can have for the names in an object, and tell apart."""


class Document(Part[Any]):
    """A whole document. What it holds is looked at piece by piece, so it may be mutable."""

    __slots__ = ()

    def accept(self, values: Iterable[Any]) -> None:
        """Let it pass."""


class Layout:
    """The documents: of which types, for a key, record and meta of given types.

    Where the keys are such as JSON can have for names, records are an object; where they are
    anything else (tuples, a union in which ``1`` and ``"1"`` are two keys), pairs.
    """

    def __init__(self, key: Any, record: Any, meta: Any, settings: Settings) -> None:
        name = inspect.type_info(key)
        self.named = isinstance(name, _NAMES) or (
            isinstance(name, inspect.LiteralType) and len({*map(type, name.values)}) == 1
        )
        number = Annotated[int, msgspec.Meta(ge=-1)]  # from -1 comes who begins with all there is
        version = ("version", number)
        self.change = _struct("Change", _maybe("old", record), _maybe("new", record))
        changes = self._rows(key, self.change)
        self.made_snapshot = _struct(
            "Snapshot", version, ("meta", meta), ("records", self._rows(key, record))
        )
        self.made_commit = _struct(
            "Commit", version, ("changes", changes), _maybe("meta", meta), _maybe("since", number)
        )
        self.snapshot = Document("snapshot", self.made_snapshot, settings)
        self.changes = Document("changes", changes, settings)
        self.commit = Document("commit", self.made_commit, settings)

    def _rows(self, key: Any, of: Any) -> Any:
        kinds: tuple[Any, ...] = (dict, list, tuple)
        mapping, sequence, pair = kinds
        return mapping[key, of] if self.named else sequence[pair[key, of]]

    def document_of(self, value: object) -> tuple[Document, Any]:
        """Return the kind of document for *value*, and the document, to be encoded."""
        if isinstance(value, Snapshot):
            rows = self._listed(value.items())
            return self.snapshot, self.made_snapshot(value.version, value.meta, rows)
        if isinstance(value, ChangeSet):
            return self.changes, self._changes_of(value)
        if isinstance(value, Commit):
            moved = value.before.meta is not value.after.meta
            meta = value.after.meta if moved else UNSET
            rows = self._changes_of(value.changes)
            # It is the version before, if anything changed. But who follows was given several as
            # one, or all; and what is derived may be all that changed.
            began = value.before.version
            plain = value.version - int(moved or bool(rows))
            since = UNSET if began == plain >= 0 else began
            return self.commit, self.made_commit(value.version, rows, meta, since)
        raise ArgumentTypeError(
            f"a codec encodes a Snapshot, a ChangeSet or a Commit, not {shown(value)}; a record "
            "alone by codec.record.encode"
        )

    def _listed(self, rows: Iterable[tuple[Any, Any]]) -> Any:
        return dict(rows) if self.named else list(rows)

    def _changes_of(self, changes: ChangeSet[Any, Any]) -> Any:
        made = self.change
        return self._listed(
            (key, made(*[UNSET if each is MISSING else each for each in change]))
            for key, change in changes.items()
        )


def _struct(name: str, *fields: Any) -> Any:
    return msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True)


def _maybe(name: str, of: Any) -> tuple[str, Any, Any]:
    return name, Union[of, UnsetType], UNSET  # noqa: UP007  (Any has no |)
