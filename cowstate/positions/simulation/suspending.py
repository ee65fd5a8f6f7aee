"""A replay that can be killed and goes on: `Suspension`, its files, and `World`, how it stands.

The positions are in a file as those of any trader are. Beside it is another one, with all that is
not the trader's: the paper exchange, its messages under way, how far the tape was read, and what
the reconciler remembers. It is noted now and then, and says of which version of the positions it
is; who goes on begins there, with the positions as they were then, and does the rest once more.
On a server both are stores of one database.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Self

from cowstate import ArgumentValueError, Record

from ..book.kept import read_book
from ..book.model import OrderUpdate
from ..book.reports import TradeReport
from ..reconcile.life import Life
from ..trading.manager import PositionManager
from .options import ReplayOptions
from .paper import ExchangeState
from .tape import Trade

__all__ = ["Coming", "Suspension", "World"]

_WORLD = "world"
_BESIDE = "-replay"
_BESIDE_ON_A_SERVER = "_replay"
_SCHEMA = 1


class Coming(Record):
    """Something that happens at *due_ms*: the timer, or a message of the streams arrives."""

    due_ms: int
    order: OrderUpdate | None = None
    trade: Trade | None = None

    @property
    def message(self) -> OrderUpdate | Trade | None:
        """The message; None for the timer."""
        return self.trade if self.order is None else self.order

    @classmethod
    def of(cls, due_ms: int, message: OrderUpdate | Trade | None) -> Self:
        """Return what is to come of *message*."""
        if isinstance(message, Trade):
            return cls(due_ms, trade=message)
        return cls(due_ms, order=message)


class KeptOrder(Record, tag=True):
    """An order of the paper exchange."""

    order: OrderUpdate


class KeptFill(Record, tag=True):
    """A fill of the paper exchange."""

    fill: TradeReport


class World(Record, tag=True, kw_only=True):
    """How a replay stands between two trades of its tape, while nobody is in the middle of a thing.

    Attributes:
        options: how it is replayed.
        trades: how many trades have happened.
        last: the last of them.
        now_ms: what time it is.
        coming: what is to come, in order, but for the next trade.
        price: the last price that the strategy has heard of.
        level: the level of the grid that it is in.
        version: the version of the positions.
        versions: how many of them the replay has made.
        exchange: the paper exchange, but for its orders and fills.
        orders: how many of those there are.
        fills: likewise.
        life: what the reconciler knows.
    """

    options: ReplayOptions
    trades: int
    last: Trade
    now_ms: int
    coming: tuple[Coming, ...]
    price: Decimal | None
    level: Decimal | None
    version: int
    versions: int
    exchange: ExchangeState
    orders: int
    fills: int
    life: Life

    def skip_in(self, tape: Iterator[Trade]) -> None:
        """Read over what has happened already.

        Raises:
            ArgumentValueError: it is another tape.
        """
        last = None
        for _ in range(self.trades):
            last = next(tape, None)
            if last is None:
                break
        if last != self.last:
            raise ArgumentValueError(
                f"trade {self.trades:,} of this tape is not the one that the run had come to; "
                "resume it with the tape that it was begun with"
            )


def _read_book(path: str, name: str | None) -> None:
    read_book(path, name=name)


def _read_world(path: str, name: str | None) -> None:
    from cowstate import journal

    kinds = KeptOrder | KeptFill | World
    journal.follow(path, name=name, key=str, record=kinds, schema=_SCHEMA).close()


def _is_there(path: str, name: str | None, read: Callable[[str, str | None], None]) -> bool:
    """Whether a store is there. O(records), on a server.

    Raises:
        JournalError: what is there is not what *read* reads, or the server cannot be had.
        ArgumentTypeError, ArgumentValueError: it is no place of a store.
    """
    from cowstate import journal

    if name is None and os.path.exists(path):
        return True
    try:
        read(path, name)
    except journal.JournalNotFoundError:
        return False
    return True


class Suspension:
    """The files of a replay that may be killed at any moment; close it, or use it in a ``with``.

    On a server a run that was killed is taken for alive until its lease of five seconds ends: so
    long at the most whoever goes on with it waits.

    Args:
        path: where the positions are kept; what is beside them is in ``path-replay``. Or the URL of
            a database on a PostgreSQL server.
        options: how the tape is replayed.
        resume: whether to go on with what is there. Else nothing may be there.
        every: after how many trades it is noted how the world stands; a little later, where
            somebody is in the middle of something.
        name: on a server, which of its stores the positions are; what is beside them is in the one
            of that name with ``_replay``.

    Attributes:
        world: how the world stood that is gone on with; None: the run begins.

    Raises:
        ArgumentValueError: there is nothing to go on with, or something though it is to begin; or
            it was begun with other options; or with threads, which never do the same twice.
        WriterActiveError: another process replays into these files.
        JournalFileError: the files are another program's, or other stores'; nothing was made.
        JournalError: the files, or the server, cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        options: ReplayOptions,
        *,
        resume: bool = False,
        every: int = 500,
        name: str | None = None,
    ) -> None:
        from cowstate import journal

        self._path = os.fspath(path)
        self._name = name
        self._options = options
        self._every = every
        self._manager: PositionManager | None = None
        if options.threads:
            raise ArgumentValueError(
                "a run with threads is another one each time, so it cannot be gone on with; leave "
                "out either --threads or --journal"
            )
        beside = self._beside()
        # Of a URL nothing more is said: a password may be in it.
        self._where = self._path if name is None else f"{name} in that database"
        self._there = _is_there(self._path, name, _read_book)
        if resume and not _is_there(*beside, _read_world):
            raise ArgumentValueError(
                f"{self._where} holds no replay that could be resumed; leave out --resume to begin "
                "one in a new place"
            )
        if not resume and self._there:
            raise ArgumentValueError(
                f"{self._where} is there already; --resume goes on with the replay in it, and "
                "another name begins a new one"
            )
        self._store: Any = journal.open_store(
            beside[0],
            name=beside[1],
            key=str,
            record=KeptOrder | KeptFill | World,
            schema=_SCHEMA,
            bounds=journal.Bounds(versions=1),
        )
        try:
            self.world: World | None = self._store.snapshot().get(_WORLD)
            self._due = every if self.world is None else self.world.trades + every
            self._ensure_whole()
            self._ensure_same()
        except BaseException:
            self.close()
            raise

    def _beside(self) -> tuple[str, str | None]:
        """Return where that is kept which is not the trader's."""
        if self._name is None:
            return self._path + _BESIDE, None
        return self._path, f"{self._name}{_BESIDE_ON_A_SERVER}"

    def _ensure_whole(self) -> None:
        if self.world is not None and not self._there:
            raise ArgumentValueError(
                f"{self._where} is gone, and {self._store.journal.path} is the other half of it; "
                "put it back to go on, or delete that one as well to begin anew"
            )

    def _ensure_same(self) -> None:
        if self.world is None:
            return
        before = self.world.options
        for name in before.__struct_fields__:
            was, now = getattr(before, name), getattr(self._options, name)
            if was != now:
                raise ArgumentValueError(
                    f"the replay in {self._where} was begun with {name} {was!r}, not {now!r}; "
                    "resume it with the options that it was begun with"
                )

    def open_positions(self, time_ms: Callable[[], int]) -> PositionManager:
        """Return the positions as they were at the moment of `world`.

        Raises:
            OtherGridError, JournalError: as of `PositionManager.open`.
        """
        self._manager = manager = PositionManager.open(
            self._path, self._options.grid, time_ms=time_ms, name=self._name
        )
        # The version in which a file of positions begins is its first.
        version = 1 if self.world is None else self.world.version
        if manager.snapshot().version != version:
            then = manager.store.at(version)
            with manager.store.transaction() as tx:
                tx.clear()
                tx.update(then)
                tx.meta = then.meta
        return manager

    def orders(self) -> list[OrderUpdate]:
        """Return the orders of the paper exchange at that moment, by their ids."""
        kept, count = self._store.snapshot(), 0 if self.world is None else self.world.orders
        return [kept[f"order {number}"].order for number in range(1, count + 1)]

    def fills(self) -> list[TradeReport]:
        """Return its fills, in order of time."""
        kept, count = self._store.snapshot(), 0 if self.world is None else self.world.fills
        return [kept[f"fill {number}"].fill for number in range(1, count + 1)]

    def is_due(self, trades: int) -> bool:
        """Whether it is to be noted how the world stands, after so many trades."""
        return trades >= self._due

    def note(
        self, world: World, orders: Iterable[OrderUpdate], fills: Iterable[TradeReport]
    ) -> None:
        """Have on disk how the world stands; from here on, who goes on begins with that.

        One commit: a process that dies in it has noted what it had noted before.

        Raises:
            JournalError: it could not be written.
        """
        kept = self._store.snapshot()
        before = kept.get(_WORLD)
        told = 0 if before is None else before.fills
        with self._store.transaction() as tx:
            for number, order in enumerate(orders, 1):
                held = kept.get(f"order {number}")
                if held is None or held.order != order:
                    tx[f"order {number}"] = KeptOrder(order)
            for number, fill in enumerate(fills, 1):
                if number > told:
                    tx[f"fill {number}"] = KeptFill(fill)
            tx[_WORLD] = world
        self._due = world.trades + self._every

    def close(self) -> None:
        """Let go of the files. May be called twice.

        Raises:
            JournalError: what was left could not be written; both files are free all the same.
        """
        try:
            if self._manager is not None:
                self._manager.close()
        finally:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
