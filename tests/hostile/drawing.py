"""What is put in: good bytes and good values, each with a few things wrong with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from cowstate.showing import shown

__all__ = ["ATOMS", "NUMBERS", "TEXTS", "Drawn", "mutated", "mutated_tree"]

NUMBERS: Final[tuple[Any, ...]] = (
    *(0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, -(10**400)),
    *(0.0, -0.0, 0.1, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
)

TEXTS: Final[tuple[str, ...]] = (
    *("", " ", "0", "-0", "NaN", "sNaN", "Infinity", "1e999999999", "1e-999999999", "0x10", "1_0"),
    *("9" * 5_000, "0." + "1" * 5_000, "\u0663", "\u00b2", "1e5000", "-1", "+1", "1" * 30),
    *("\0", "\x1b[2J\x9b1A", "\u202e", "a\nb\r\nc", "\ud800", "A" * 70_000, "../../etc/passwd"),
    *("null", "true", "{}", "[]", '"', "'; DROP TABLE records; --", "<script>alert(1)</script>"),
)

ATOMS: Final[tuple[Any, ...]] = (None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], {"": None})

_DEPTHS: Final = (2, 40, 200, 1_500)
_MOST: Final = 4


class Drawn(Random):
    """Choices that are read from bytes, so that who finds bytes finds those; 0 after the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        super().__init__(0)

    def getrandbits(self, k: int) -> int:
        size = (k + 7) // 8
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "little") & ((1 << k) - 1)

    def random(self) -> float:
        return self.getrandbits(53) / (1 << 53)


def mutated(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """*data* with a few bytes of it wrong, cut, doubled, or taken from *others*."""
    made = bytearray(data)
    for _ in range(random.randrange(1, _MOST)):
        random.choice(_MUTATIONS)(random, made, others)
    return bytes(made)


def _flip(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _put(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    new = random.choice((b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0"))
    data[at : at + len(new)] = new


def _insert(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice(_PIECES)


def _cut(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def _drop(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    del data[at : at + random.randrange(1, 64)]


def _double(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = data[at : at + random.randrange(1, 200)]


def _graft(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if others:
        other = random.choice(others)
        at, there = random.randrange(len(data) + 1), random.randrange(len(other) + 1)
        size = random.randrange(1, 300)
        data[at : at + size] = other[there : there + size]


_PIECES: Final = (
    *(each.encode(errors="surrogatepass") for each in TEXTS if len(each) < 6_000),
    *(b"[" * 20_000, b'{"a":' * 5_000, b"\x91" * 20_000, b"\r\n", b"\n" * 100, b",", b'"'),
)
_MUTATIONS: Final[tuple[Callable[[Random, bytearray, Sequence[bytes]], None], ...]] = (
    *(_flip, _flip, _put, _insert, _insert, _cut, _drop, _double, _graft),
)


def mutated_tree(random: Random, tree: Any) -> Any:
    """A copy of *tree*, of dicts and lists, with a few things in it that do not belong there."""
    made = [copy.deepcopy(tree)]
    for _ in range(random.randrange(1, _MOST)):
        _change(random, made)
    return made[0]


def _change(random: Random, root: list[Any]) -> None:
    holder: Any = root
    place: Any = 0
    # Down to some depth, at random, and there one thing is changed.
    while isinstance(holder[place], dict | list) and holder[place] and random.random() < 0.8:
        holder = holder[place]
        place = random.choice([*holder]) if isinstance(holder, dict) else _index(random, holder)
    how = random.randrange(8)
    if how < 4:
        holder[place] = copy.deepcopy(random.choice(ATOMS))
    elif how == 4:
        holder[place] = _nested(random, holder[place])
    elif how == 5 and holder is not root:
        del holder[place]
    elif how == 6 and isinstance(holder, dict):
        holder[random.choice((*TEXTS, *holder))] = holder[place]
    else:
        holder[place] = random.choice((shown, _listed, _named))(holder[place])


def _index(random: Random, held: list[Any]) -> int:
    return random.randrange(len(held))


def _nested(random: Random, value: Any) -> Any:
    wrap = random.choice((_listed, _named))
    for _ in range(random.choice(_DEPTHS)):
        value = wrap(value)
    return value


def _listed(value: Any) -> Any:
    return [value]


def _named(value: Any) -> Any:
    return {"a": value}
