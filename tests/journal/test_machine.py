"""A journaled store, its follower and a model in lockstep; crashes and reopenings are steps."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cowstate import Codec, CompactedError, ConflictError, History, Lagged
from cowstate.cli import main
from cowstate.journal import Follower, JournaledStore, JournalError, UnknownOutcomeError
from cowstate.journal.encoded import Encoder
from cowstate.journal.log import Log
from tests.journal.files import INDEXES, Slot, Slots, TroubledLog, Troubles, on_disk, raising
from tests.journal.followed import QUANTITY, SOON, following
from tests.standing import check_derived

KEYS = st.sampled_from("abcd")
SLOTS = st.builds(Slot, st.integers(0, 5), st.sampled_from(["", "ann", "bob"]))
Facts = tuple[dict[str, Slot], str | None]


class JournalMachine(RuleBasedStateMachine):
    """What was acknowledged is there, what failed is not, and each version is what it was.

    Over a file. What makes a place another one is in six functions: `make`, `log_of`,
    `follower_of`, `seen`, `crash` and `leave`.
    """

    store: Slots
    log: Any

    def make(self) -> None:
        """Make a place for a store."""
        self.home = Path(mkdtemp())
        self.path = self.home / "slots.db"

    def log_of(self) -> Troubles:
        """The log of that, anew."""
        return TroubledLog(self.path)

    def follower_of(self) -> Follower[str, Slot]:
        """Who follows that, anew."""
        return following(self.path, every=SOON)

    def seen(self) -> tuple[dict[str, str], list[int]]:
        """What another program sees there."""
        return on_disk(self.path)

    @initialize()
    def begin(self) -> None:
        self.make()
        self.history: list[Facts] = [({}, None)]
        self.oldest = 0
        self.heard: list[int] = []
        self.open()
        self.follow()

    def open(self) -> None:
        self.log = self.log_of()
        log: Log = self.log
        encoder = Encoder(Codec[str, Slot](key=str, record=Slot, meta=str), str, True)
        options: dict[str, Any] = {"indexes": INDEXES, "history": History(versions=2)}
        self.store = JournaledStore(log, encoder, "full", options)
        self.first = self.store.snapshot().version
        heard: list[int] = []
        self.heard = heard
        self.store.subscribe(lambda commit: heard.append(commit.version))

    def follow(self) -> None:
        self.follower = self.follower_of()
        self.feed = self.follower.feed()
        self.followed = self.follower.snapshot().version

    # Writes, of which the model knows what they do.

    def done(self, records: dict[str, Slot], meta: str | None) -> None:
        if (records, meta) != self.history[-1] or self.store.snapshot().version == len(
            self.history
        ):
            self.history.append((records, meta))

    @rule(key=KEYS, slot=SLOTS)
    def set(self, key: str, slot: Slot) -> None:
        records, meta = self.history[-1]
        self.store.set(key, slot)
        self.done({**records, key: slot}, meta)

    @rule(writes=st.dictionaries(KEYS, st.none() | SLOTS), meta=st.none() | st.sampled_from("xy"))
    def transact(self, writes: dict[str, Slot | None], meta: str | None) -> None:
        records, before = self.history[-1]

        def work(tx: Any) -> None:
            for key, slot in writes.items():
                if slot is None:
                    tx.pop(key, None)
                else:
                    tx[key] = slot
            if meta is not None:
                tx.meta = meta

        self.store.transact(work)
        after = {**records, **writes}
        kept = {key: slot for key, slot in after.items() if slot is not None}
        self.done(kept, before if meta is None else meta)

    @rule(key=KEYS, slot=SLOTS, late=st.booleans())
    def draft(self, key: str, slot: Slot, late: bool) -> None:
        draft = self.store.draft()
        draft.get(key)
        draft[key] = slot
        if late:
            self.set(key, Slot(9))
        records, meta = self.history[-1]
        try:
            draft.commit()
        except ConflictError:
            assert late
        else:
            assert not late
            self.done({**records, key: slot}, meta)

    # Faults

    @rule(key=KEYS, slot=SLOTS, written=st.booleans())
    def a_write_fails(self, key: str, slot: Slot, written: bool) -> None:
        records, meta = self.history[-1]
        if written:
            self.log.after = raising(OSError("late"))
            self.store.set(key, slot)
            self.done({**records, key: slot}, meta)
            return
        self.log.before = raising(OSError("early"))
        with pytest.raises(JournalError) as caught:
            self.store.set(key, slot)
        assert type(caught.value) is JournalError

    @rule(key=KEYS, slot=SLOTS, written=st.booleans(), dies=st.booleans())
    def nobody_knows(self, key: str, slot: Slot, written: bool, dies: bool) -> None:
        records, meta = self.history[-1]
        if written:
            self.log.after = raising(OSError("late"))
        else:
            self.log.before = raising(OSError("early"))
        self.log.asked = raising(OSError("mute"))
        with pytest.raises(UnknownOutcomeError):
            self.store.set(key, slot)
        assert self.store.snapshot().version == len(self.history) - 1
        if written:
            self.history.append(({**records, key: slot}, meta))
        if dies:
            self.crash()
        else:
            self.set("a", Slot(7))

    # Ends and beginnings

    @rule()
    def crash(self) -> None:
        """The process dies: what is on disk now, and in the write-ahead log, is what there is."""
        home = Path(mkdtemp())
        for name in ("slots.db", "slots.db-wal"):
            if (self.home / name).exists():
                shutil.copy(self.home / name, home / name)
        self.leave()
        self.home, self.path = home, home / "slots.db"
        self.open()
        self.follow()

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.open()

    @rule(keep=st.integers(1, 4))
    def compact(self, keep: int) -> None:
        newest = len(self.history) - 1
        self.oldest = max(self.oldest, newest - keep, 0)
        assert self.store.journal.compact(versions=keep) == self.oldest

    @precondition(lambda self: len(self.history) > 1)
    @rule(data=st.data())
    def look_back(self, data: Any) -> None:
        version = data.draw(st.integers(0, len(self.history) - 1))
        try:
            found = self.store.at(version)
        except CompactedError:
            assert version < self.oldest
            return
        assert (dict(found), found.meta, found.version) == (*self.history[version], version)

    @rule()
    def catch_up(self) -> None:
        """The follower is as the model, and was each version in turn, but for what it was told."""
        newest = len(self.history) - 1
        now = self.follower.wait_for(version=newest, timeout=SOON)
        assert now.version == newest
        check_derived(self.follower, INDEXES, QUANTITY)
        for item in iter(self.feed.poll, None):
            if isinstance(item, Lagged):
                assert item.missed_from == self.followed + 1
                assert item.snapshot.version <= self.oldest
                came = item.snapshot
            else:
                assert item.version == self.followed + 1
                came = item.after
            self.followed = came.version
            assert (dict(came), came.meta) == self.history[self.followed]
        assert self.followed == newest

    @invariant()
    def memory_and_disk_are_as_the_model(self) -> None:
        if not hasattr(self, "store"):
            return
        now = self.store.snapshot()
        records, meta = self.history[-1]
        assert (dict(now), now.meta, now.version) == (records, meta, len(self.history) - 1)
        assert self.heard == list(range(self.first + 1, now.version + 1))
        assert now.find_all("owner", "ann") == {
            key: slot for key, slot in records.items() if slot.owner == "ann"
        }
        found, versions = self.seen()
        assert sorted(found) == [f'"{key}"' for key in sorted(records)]
        assert versions == list(range(self.oldest + 1, now.version + 1))

    def leave(self) -> None:
        self.follower.close()
        self.store.close()
        shutil.rmtree(self.home)

    def check_all(self) -> None:
        """All of it, when the store is closed."""
        assert main(["verify", str(self.path)]) == 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            if hasattr(self, "follower"):
                self.follower.close()
            self.store.close()
            self.check_all()
            self.leave()


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
