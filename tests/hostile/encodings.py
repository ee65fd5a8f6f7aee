"""Bytes that a `Codec` is to read, and those in which keys and schedules are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from cowstate import Codec, Store
from cowstate.positions.exchange.ccxt.keys import keys_from_environment, keys_from_file
from tests.codecs import FORMS, Buy, Sell, Slot
from tests.hostile.door import TAKEN, Door, Knock, LawBrokenError, outcome
from tests.hostile.drawing import TEXTS, mutated, mutated_tree

__all__ = ["DOORS"]

DOCUMENTS: Final[tuple[Any, ...]] = (
    {"version": 3, "meta": None, "records": {"a": {"price": "1.5", "tags": ["x"]}}},
    {"version": 3, "meta": 5, "records": [[["a", 1], {"type": "Buy", "quantity": 5}]]},
    {"a": {"old": {"price": "1.5"}}, "b": {"new": {"price": "2", "order_id": 5}}},
    {"version": 4, "changes": {"a": {"old": {"price": "1"}, "new": {"price": "2"}}}},
    {"version": 0, "since": -1, "changes": {"a": {"new": {"price": "2"}}}},
    [["a", {"price": 1}]],
)


def _codecs(form: Any) -> list[Codec[Any, Any]]:
    return [
        Codec(key=str, record=Slot, form=form),
        Codec(key=tuple[str, int], record=Buy | Sell, form=form),
        Codec(key=Decimal, record=Any, meta=Any, form=form),
        Codec(key=Any, record=Any, form=form),
        Codec(key=int, record=float | None, form=form),
    ]


def _encoded(form: str, tree: Any) -> bytes:
    try:
        return bytes(getattr(msgspec, form).encode(tree))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return b""


@contextmanager
def _codec() -> Generator[Knock]:
    codecs = {form: _codecs(form) for form in FORMS}
    good = {form: [_encoded(form, each) for each in DOCUMENTS] for form in FORMS}
    starts = {
        id(c): c.decode_snapshot(c.encode(Store({}).snapshot())) for f in FORMS for c in codecs[f]
    }

    def knock(random: Random) -> str:
        form = random.choice(FORMS)
        codec = random.choice(codecs[form])
        if random.random() < 0.5:
            data = mutated(random, random.choice(good[form]), good[form])
        else:
            data = _encoded(form, mutated_tree(random, random.choice(DOCUMENTS)))
        start = starts[id(codec)]
        reads = (
            codec.decode_snapshot,
            codec.decode_changes,
            partial(codec.decode_commit, before=start),
            codec.record.decode,
            codec.key.decode,
            lambda data: codec.record.decode_all([data, data]),
        )
        which = random.randrange(len(reads))
        how, found = outcome(partial(reads[which], data))
        if how == TAKEN and which == 0:
            # What was read can be held, and is the same when it is written and read again.
            again, held = outcome(lambda: Store(found).snapshot())
            if again == TAKEN and held != found:
                raise LawBrokenError("a store holds something else than was read")
        return how

    yield knock


@contextmanager
def _keys() -> Generator[Knock]:
    good = [b'apiKey = "k-123456"\nsecret = "s-654321"\n', b'password = "p"\napiKey = "k"\n']
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "keys.toml")

        def knock(random: Random) -> str:
            if random.random() < 0.2:
                environ = {
                    name: random.choice(TEXTS)
                    for name in ("COWSTATE_API_KEY", "COWSTATE_SECRET", "COWSTATE_PASSWORD")
                }
                how, found = outcome(lambda: keys_from_environment(environ))
            else:
                with open(
                    os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb"
                ) as file:
                    file.write(mutated(random, random.choice(good), good))
                how, found = outcome(lambda: keys_from_file(path))
            if how == TAKEN and any(each in repr(found) for each in ("123456", "654321")):
                raise LawBrokenError("keys show what they are")
            return how

        yield knock


DOORS: Final = [
    Door("codec", "bytes that a Codec is to read: snapshots, changes, commits, parts", _codec),
    Door("keys", "the keys of an account, in a file or the environment", _keys),
]
