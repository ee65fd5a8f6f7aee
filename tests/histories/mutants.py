"""Stores with one bug each in what a commit is checked for: what the checker must see.

None reaches into the store. A conflict says what had changed, so a check that leaves something out
is made of the right one: where all that was told is of the kind that is left out, the changes are
written after all, in a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, ClassVar

from cowstate import MISSING, ConflictError, Snapshot, Store

Told = tuple[set[Any], set[Any], set[str]]
"""The keys, entries and reasons of a conflict."""


class Loose(MutableMapping[Any, Any]):
    """A draft that is committed although it conflicts, where its store forgives that."""

    def __init__(self, store: Mutant, draft: Any) -> None:
        self.store, self.draft = store, draft
        self.read: set[Any] = set()
        self.written: dict[Any, Any] = {}
        self.noted = False
        self.result: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draft, name)

    def __getitem__(self, key: Any) -> Any:
        self.read.add(key)
        return self.draft[key]

    def __contains__(self, key: object) -> bool:
        self.read.add(key)
        return key in self.draft

    def __setitem__(self, key: Any, record: Any) -> None:
        self.draft[key] = self.written[key] = record

    def __delitem__(self, key: Any) -> None:
        del self.draft[key]
        self.written[key] = MISSING

    def __iter__(self) -> Iterator[Any]:
        return iter(self.draft)

    def __len__(self) -> int:
        return len(self.draft)

    @property
    def meta(self) -> Any:
        return self.draft.meta

    @meta.setter
    def meta(self, value: Any) -> None:
        self.draft.meta = value
        self.noted = True

    def commit(self, *, expected_version: int | None = None) -> Any:
        """Commit; or be forgiven."""
        self.store.before_commit(self)
        try:
            self.result = self.draft.commit(expected_version=expected_version)
        except ConflictError as error:
            told: Told = (set(error.keys), set(error.entries), set(error.reasons))
            self.store.forgive(self, *told)
            if any(told):
                raise
            self.result = self.force()
        return self.result

    def force(self) -> Any:
        """Write the changes, whatever has been written since."""
        # Of the store itself, not of a mutant of its transactions.
        with Store.transaction(self.store) as tx:
            for key, record in self.written.items():
                if record is not MISSING:
                    tx[key] = record
                elif key in tx:
                    del tx[key]
            if self.noted:
                tx.meta = self.draft.meta
        return tx.result


class Mutant(Store[Any, Any]):
    """A store whose drafts are forgiven nothing yet: as good as the right one."""

    def draft(self, base: Snapshot[Any, Any] | None = None) -> Any:
        return Loose(self, super().draft(base))

    def retry(self, fn: Callable[[Any], object], attempts: int = 5) -> Any:
        for _ in range(attempts):
            draft = self.draft()
            answer = fn(draft)
            try:
                draft.commit()
                return answer
            except ConflictError as error:
                last = error
        raise last

    def before_commit(self, draft: Loose) -> None:
        """Do what the bug is, if it is not what is forgiven."""

    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        """Take out what this mutant does not look at."""


class IgnoresKeysRead(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        keys.intersection_update(draft.written)


class IgnoresKeysWritten(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        keys.intersection_update(draft.read)


class IgnoresIndexEntries(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        entries.clear()


class IgnoresUniqueEntries(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        entries -= {entry for entry in entries if entry[0] == "owner"}


class IgnoresRanges(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        entries -= {entry for entry in entries if entry[0] == "price"}


class IgnoresTeams(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        reasons -= {reason for reason in reasons if "[" in reason}


class IgnoresTheKeySet(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        reasons.discard("keys")


class IgnoresTotals(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        reasons -= {reason for reason in reasons if reason.startswith("total:")}


class IgnoresMeta(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        reasons.discard("meta")


class IgnoresTheExpectedVersion(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        reasons.discard("version")


class ComparesKeysByEquality(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        then, now = draft.base, self.snapshot()
        keys -= {key for key in keys if then.get(key) == now.get(key)}


class ComparesMetaByEquality(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        if draft.base.meta == self.snapshot().meta:
            reasons.discard("meta")


class ForgivesAddedKeys(Mutant):
    """It does not see that a key which was absent is there now."""

    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        keys -= {key for key in keys if key not in draft.base}


class ForgivesDeletedKeys(Mutant):
    """It does not see that a key which was there is absent now."""

    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        keys -= {key for key in keys if key not in self.snapshot()}


class ComparesTheSizeOfTheKeySet(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        if len(draft.base) == len(self.snapshot()):
            reasons.discard("keys")


class ChecksAgainstTheBase(Mutant):
    """Every draft is what it was derived from."""

    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        keys.clear()
        entries.clear()
        reasons.clear()


class DoesNotCheckWhatWroteNothing(Mutant):
    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        if not draft.written and not draft.noted:
            keys.clear()
            entries.clear()
            reasons.clear()


class ChecksBeforeTheLock(Mutant):
    """Another client writes between the check and the lock."""

    meanwhile: ClassVar[Callable[[], object]] = staticmethod(lambda: None)

    def before_commit(self, draft: Loose) -> None:
        now = self.snapshot()
        self.unchanged = all(
            draft.base.get(key) is now.get(key) for key in draft.read.union(draft.written)
        )
        type(self).meanwhile()

    def forgive(self, draft: Loose, keys: set[Any], entries: set[Any], reasons: set[str]) -> None:
        if self.unchanged:
            keys.clear()


class ReadsWhatIsCurrent(Mutant):
    """A draft reads each key as it is when it is asked for, not as it was in the base."""

    def draft(self, base: Snapshot[Any, Any] | None = None) -> Any:
        store = self

        class Unsteady(Loose):
            def get(self, key: Any, default: Any = None) -> Any:
                now = store.snapshot().get(key, default)
                return now if super().get(key, default) is self.base.get(key, default) else default

        return Unsteady(self, Store.draft(self, base))


class ComparesVersions(Mutant):
    """A draft is refused if anything has changed, and told that it was its own keys."""

    def before_commit(self, draft: Loose) -> None:
        now = self.snapshot()
        if now.version != draft.base.version:
            keys = draft.read.union(draft.written)
            raise ConflictError(keys, draft.base.version, now.version)


class ComparesTheKeySetOfAnyDraft(Mutant):
    """A draft is refused for the key set although it has not iterated."""

    def before_commit(self, draft: Loose) -> None:
        now = self.snapshot()
        if now.keys() != draft.base.keys():
            raise ConflictError((), draft.base.version, now.version, reasons=["keys"])


class SetsIfEqual(Mutant):
    def compare_and_set(self, key: Any, expected: Any, record: Any) -> Any:
        now = self.snapshot().get(key, MISSING)
        return super().compare_and_set(key, now if now == expected else expected, record)


class SetsNothingSometimes(Mutant):
    """It finds another record than the expected one where there is none."""

    def compare_and_set(self, key: Any, expected: Any, record: Any) -> Any:
        if expected is MISSING:
            return None
        return super().compare_and_set(key, expected, record)


class MakesAVersionTooMany(Mutant):
    @contextmanager
    def transaction(self, **options: Any) -> Iterator[Any]:
        with super().transaction(**options) as tx:
            yield tx
        for key, item in self.snapshot().items():
            self.set(key, item.replace())
            break


class KeepsWhatWasAborted(Mutant):
    """A transaction whose block raises has already written."""

    @contextmanager
    def transaction(self, **options: Any) -> Iterator[Any]:
        failed = None
        with super().transaction(**options) as tx:
            try:
                yield tx
            except Exception as error:
                failed = error
        if failed is not None:
            raise failed


def showing_what_was() -> type[Mutant]:
    """Make a store whose snapshot is the one of the look before, so that a read may be stale."""
    shown: list[Snapshot[Any, Any]] = []

    class ShowsWhatWas(Mutant):
        def snapshot(self) -> Snapshot[Any, Any]:
            shown.append(super().snapshot())
            del shown[:-2]
            return shown[0]

    return ShowsWhatWas


MUTANTS: dict[str, Callable[[], type[Mutant]]] = {
    kind.__name__: lambda kind=kind: kind  # type: ignore[misc]
    for kind in (
        IgnoresKeysRead,
        IgnoresKeysWritten,
        IgnoresIndexEntries,
        IgnoresUniqueEntries,
        IgnoresRanges,
        IgnoresTeams,
        IgnoresTheKeySet,
        IgnoresTotals,
        IgnoresMeta,
        IgnoresTheExpectedVersion,
        ComparesKeysByEquality,
        ComparesMetaByEquality,
        ForgivesAddedKeys,
        ForgivesDeletedKeys,
        ComparesTheSizeOfTheKeySet,
        ChecksAgainstTheBase,
        DoesNotCheckWhatWroteNothing,
        ChecksBeforeTheLock,
        ReadsWhatIsCurrent,
        ComparesVersions,
        ComparesTheKeySetOfAnyDraft,
        SetsIfEqual,
        SetsNothingSometimes,
        MakesAVersionTooMany,
        KeepsWhatWasAborted,
    )
}
MUTANTS["ShowsWhatWas"] = showing_what_was
