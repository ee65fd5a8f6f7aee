"""By whom subscribers are called: the writers, a thread of the store's, an event loop."""

from __future__ import annotations

import logging
from _thread import start_new_thread
from collections.abc import Callable, Hashable
from queue import Empty, SimpleQueue
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar
from weakref import ref

from .commit import Commit
from .errors import ArgumentValueError
from .groups import Group
from .members import numbers
from .showing import shown
from .subscribers import Subscription
from .timeline import BACKLOG, Timeline
from .writelock import is_writing

if TYPE_CHECKING:  # whoever has a loop has imported it; nobody else needs to
    from asyncio import AbstractEventLoop
else:  # something, for who looks the annotations of `subscribe` up
    AbstractEventLoop = Any

__all__ = ["BOUND", "Delivery", "Via", "debts", "put_off", "settle"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

BOUND: Final = 8
"""How many commits of others a write hands over, its own and what that leads to not counted."""

PRESSURE: Final = 0.002
"""How long, in seconds, a write waits for the turn to deliver when half of the backlog waits.

So that a tight loop of writers gives the interpreter to whoever delivers."""

PATIENCE: Final = 0.05
"""How long, in seconds, the store's thread waits for a writer that is delivering.

So that it gets the turn next: writers that hand over a few commits each would else pass it on
among themselves, and leave the rest undelivered."""

LINGER: Final = 1.0
"""How long, in seconds, the store's thread stays when there is nothing to deliver."""

FAREWELL: Final = 1.0
"""For how long, in seconds, the end of the main thread goes on to deliver what is left."""


class _Token:
    """What a thread of a store holds while it lives."""

    __slots__ = ("__weakref__",)


Running: TypeAlias = "dict[int, ref[_Token]]"
"""The claim of the store's thread: it is good for as long as that thread holds its token."""

Via: TypeAlias = Literal["writer", "thread"] | AbstractEventLoop
"""Who calls a subscriber."""

_log = logging.getLogger("cowstate")

debts: dict[int, dict[int, Callable[[], None]]] = {}
"""For each thread that is inside a write, what it has to deliver when it is out of it.

No callback runs while its thread is inside a write to any store: it could neither write to that
store nor wait for anything. So a delivery that comes due there is put off."""


def settle(thread: int | None = None) -> None:
    """Deliver what was put off, if the calling thread is out of every write by now.

    Called at the end of every write, also of one that failed, for what the calling thread put off;
    and by who leaves a block, for the thread that entered it.
    """
    whose = get_ident() if thread is None else thread
    owed = debts.get(whose)
    if not owed or is_writing():
        return
    _pay(owed)
    if not owed:
        debts.pop(whose, None)


def _pay(owed: dict[int, Callable[[], None]]) -> None:
    for number, deliver in list(owed.items()):
        # Forgotten only when done: what is interrupted here is done at the end of the next write.
        deliver()
        owed.pop(number, None)


class _LoopGroup(Group[K, V]):
    """Subscriptions that one event loop serves, in one call for as many commits as there are."""

    def __init__(self, timeline: Timeline[K, V], loop: AbstractEventLoop) -> None:
        super().__init__(timeline)
        self.loop = loop
        self._called = False

    def call(self) -> None:
        """Have the loop deliver what there is. From any thread."""
        if self._called and not self.loop.is_closed():
            return
        try:
            self._called = True
            self.loop.call_soon_threadsafe(self._run)
        except RuntimeError:
            self._called = False
            if not self.loop.is_closed():
                raise
            _log.warning(
                "subscriptions end, for their event loop was closed",
                extra={"cowstate_event": "subscriptions_ended"},
            )
            for member in [*list(self.members.all.values()), *list(self.beginners.values())]:
                member.close()
        except BaseException:
            self._called = False
            raise

    def _run(self) -> None:
        # Before the look: a commit that comes too late for it calls again.
        self._called = False
        if is_writing():
            put_off(self, self.call)
            return
        try:
            more = self.deliver(BOUND)
        except BaseException:
            if self.waiting():
                self.call()
            raise
        if more:
            self.call()


def put_off(what: object, deliver: Callable[[], None]) -> None:
    """Have *deliver* called when the calling thread is out of the write that it is inside of."""
    debts.setdefault(get_ident(), {})[id(what)] = deliver


class Delivery(Generic[K, V]):
    """All subscriptions of one store, in groups by who serves them.

    A write delivers what it owes and at most `BOUND` commits of others beyond it, whatever others
    write meanwhile; the rest is the business of a thread of the store's, which is started when
    there is something for it, holds the store weakly, and ends when it has been idle. So no writer
    is held captive, and no commit waits for the next write.

    Attributes:
        all: every subscription by its number. Who looks whether there is any looks here.
    """

    def __init__(self, timeline: Timeline[K, V]) -> None:
        self._timeline = timeline
        self.all: dict[int, Subscription[K, V]] = {}
        self.by_writer: Group[K, V] = Group(timeline)
        self.by_thread: Group[K, V] = Group(timeline)
        self._by_loop: dict[int, _LoopGroup[K, V]] = {}
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._running: Running = {}

    def group_of(self, via: Via) -> Group[K, V]:
        """Return the group that is served by *via*."""
        if via == "writer":
            return self.by_writer
        if via == "thread":
            return self.by_thread
        if isinstance(via, str) or not callable(getattr(via, "call_soon_threadsafe", None)):
            raise ArgumentValueError(
                f"via must be 'writer', 'thread' or an asyncio event loop, not {shown(via)}"
            )
        for number, group in list(self._by_loop.items()):
            if group.loop.is_closed() and not group.members.all:
                self._by_loop.pop(number, None)
        found = self._by_loop.get(id(via))
        if found is None:  # a group holds its loop, so the number is nobody else's meanwhile
            # One of those who come at the same time makes it: who stood in another one, which
            # nothing holds, would never be called.
            found = self._by_loop.setdefault(id(via), _LoopGroup(self._timeline, via))
        return found

    def groups(self) -> list[Group[K, V]]:
        """Return the groups."""
        return [self.by_writer, self.by_thread, *list(self._by_loop.values())]

    def discard(self, member: Subscription[Any, Any]) -> None:
        """Let *member* go; no harm if it is gone."""
        self.all.pop(member.number, None)
        group = member.group()
        if group is not None:
            group.discard(member)

    def needed(self) -> int:
        """Return the version up to which no subscriber needs the commits any more."""
        positions = [group.position for group in self.groups() if group.members.all]
        return min(positions, default=self._timeline.current.version + BACKLOG)

    def undelivered(self) -> int:
        """Return how many commits wait for the slowest subscriber."""
        return max(group.waiting() for group in self.groups())

    def is_served_here(self) -> bool:
        """Whether the calling thread is inside a callback of the store's."""
        return any(group.is_turn_here() for group in self.groups())

    def begin(self, member: Subscription[K, V], group: Group[K, V]) -> None:
        """Have *member*, which *group* admitted, given what is there.

        At once, by the calling thread, if *group* is the writers' and it may: if it is not inside
        a write or a callback, and nobody else is delivering.
        """
        if isinstance(group, _LoopGroup):
            group.call()
        elif group is self.by_thread:
            self.wake()
        elif not group.takes_up(-member.number):
            self._deliver_as_writer()

    def after(self, commit: Commit[K, V]) -> None:
        """Do what *commit* calls for. By its writer, which is out of the write itself."""
        # The others first: what a callback raises here must not keep the commit from them.
        if self.by_thread.members.all and not self.by_thread.passes_over(commit):
            self.wake()
        if self._by_loop:
            self._call_loops(commit)
        group = self.by_writer
        if (
            group.members.all
            and not group.passes_over(commit)
            and not group.takes_up(commit.after.version)
        ):
            self._deliver_as_writer()

    def _deliver_as_writer(self) -> None:
        if is_writing():
            put_off(self, self._deliver_as_writer)
            return
        group = self.by_writer
        behind = self._timeline.current.version - group.position
        seconds = PRESSURE if behind > BACKLOG // 2 else 0.0
        try:
            more = group.deliver(BOUND + 1, seconds)
        except BaseException:
            if group.ready():
                self.wake()
            raise
        if more:
            self.wake()

    def _call_loops(self, commit: Commit[K, V]) -> None:
        for group in list(self._by_loop.values()):
            if group.members.all and not group.passes_over(commit):
                group.call()

    def catch_up(self) -> None:
        """Do what `after` left undone, or was not called for, because something was raised."""
        if self.by_writer.waiting() and not self.by_writer.is_turn_here():
            self._deliver_as_writer()
        if self.by_thread.waiting():
            self.wake()
        for group in list(self._by_loop.values()):
            if group.waiting():
                group.call()

    def wake(self) -> None:
        """Have the store's thread deliver what there is; start it if it is not there."""
        if self._bell.empty():  # who is about to hear the one in it looks only then
            self._bell.put(None)
        token = _Token()
        claim = ref(token)
        running = self._running
        last = running.get(0)
        if last is not None and last() is None:
            running.pop(0, None)  # its thread was struck before its first instruction
        arguments: Any = (ref(self), self._bell, running, token)
        try:
            # From the claim to the start no exception can come: see `cowstate.locks`.
            for holder in map(running.setdefault, (0,), (claim,)):
                if holder is claim:
                    start_new_thread(_serve, arguments)
                break
        except RuntimeError:  # no thread can be had: the next write delivers
            running.pop(0, None)

    def serve(self) -> None:
        """Deliver all there is, to those whom the store's thread serves and for the writers."""
        while self.drain(BOUND):
            pass

    def drain(self, most: int) -> bool:
        """Deliver at most *most* commits to each; return whether there is more. Never raises."""
        more = False
        for group in (self.by_thread, self.by_writer):
            try:
                more = (bool(group.members.all) and group.deliver(most, PATIENCE)) or more
            except BaseException:
                _log.exception(
                    "a subscriber raised in the thread of its store",
                    extra={"cowstate_event": "subscriber_raised"},
                )
                more = True
        return more

    def flush(self, deadline: float | None) -> bool:
        """Deliver what has been published by now; False if that took until *deadline*.

        What event loops serve is theirs.
        """
        wanted, newest = self._timeline.current.version, next(numbers)
        groups = (self.by_writer, self.by_thread)
        return all(self._flush(group, wanted, newest, deadline) for group in groups)

    def _flush(self, group: Group[K, V], wanted: int, newest: int, deadline: float | None) -> bool:
        left = [False]
        try:
            return _deliver_until(group, wanted, newest, deadline, left)
        finally:
            # Who came meanwhile found the turn taken, and left it to this.
            if left[0]:
                self.wake()

    def flush_at_exit(self) -> None:
        """Deliver what is left, in a second or by the callbacks' own slowness; never raise."""
        deadline = monotonic() + FAREWELL
        for group in (self.by_thread, self.by_writer):
            while group.members.all and group.ready() and monotonic() < deadline:
                try:
                    group.deliver(BOUND, PATIENCE)
                except BaseException:
                    _log.exception(
                        "a subscriber raised at the end of the main thread",
                        extra={"cowstate_event": "subscriber_raised"},
                    )

    def after_fork_in_child(self) -> None:
        """Forget the thread and whoever was delivering: they are not in the child."""
        me = get_ident()
        for thread in list(debts):
            if thread != me:
                debts.pop(thread, None)
        self._bell = SimpleQueue()
        self._running = {}
        for group in self.groups():
            group.after_fork_in_child()


def _serve(
    store: ref[Delivery[Any, Any]], bell: SimpleQueue[None], running: Running, token: _Token
) -> None:
    """Serve until there has been nothing to do for a while, or the store is gone."""
    try:
        _serve_on(store, bell, running, token)
    except BaseException:
        # Sent by another thread. Who has something to deliver starts another one.
        running.pop(0, None)
        raise


def _serve_on(
    store: ref[Delivery[Any, Any]], bell: SimpleQueue[None], running: Running, token: _Token
) -> None:
    while True:
        try:
            bell.get(timeout=LINGER)
        except Empty:
            running.pop(0, None)
            # Who rang between the two either finds nobody here, and starts another one, or is
            # heard now.
            if bell.empty() or running.setdefault(0, ref(token)) is not ref(token):
                return
            continue
        delivery = store()
        if delivery is None:
            return
        delivery.serve()
        del delivery


def _deliver_until(
    group: Group[Any, Any], wanted: int, newest: int, deadline: float | None, left: list[bool]
) -> bool:
    """Deliver as `Delivery.flush`, and note in *left* whether there is more."""
    while group.members.all and (group.position < wanted or group.begins_before(newest)):
        if deadline is not None and monotonic() >= deadline:
            return False
        left[0] = True  # until the opposite is known, also if something is raised
        left[0] = group.deliver(BOUND, PATIENCE)
    return True
