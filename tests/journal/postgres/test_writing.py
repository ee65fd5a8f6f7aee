"""A store on a server is what it would be in a file: what has returned is there, and stays."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, CodecError, Index
from cowstate.journal import (
    Bounds,
    JournalError,
    JournalFileError,
    WriterActiveError,
    follow,
    open_store,
)
from cowstate.journal.postgres.log import AT_ONCE
from tests.journal.files import Slot
from tests.journal.postgres.servers import Cluster, on_server, opened


def test_what_was_written_is_there_when_it_is_opened_again(cluster: Cluster, name: str) -> None:
    with opened(cluster, name) as store:
        assert store.set("a", Slot(1)).version == 1
        with store.transaction() as tx:
            tx["b"] = Slot(2, "ann")
            del tx["a"]
            tx.meta = "open"
        assert on_server(cluster, name) == ({'"b"': '{"quantity":2,"owner":"ann"}'}, [1, 2])
        epoch = store.journal.epoch
    with opened(cluster, name) as again:
        now = again.snapshot()
        assert (dict(now), now.meta, now.version) == ({"b": Slot(2, "ann")}, "open", 2)
        assert again.journal.epoch > epoch
        assert (dict(again.at(0)), again.at(1)["a"], again.at(1).meta) == ({}, Slot(1), None)
        feed = again.feed(since=0)
        first, second = feed.poll(), feed.poll()
        assert (first.changes["a"].new, second.changes["a"].old) == (Slot(1), Slot(1))
        assert (second.version, second.after.meta, feed.poll()) == (2, "open", None)


@pytest.mark.parametrize("eager", [False, True])
def test_more_than_is_fetched_at_a_time_is_there_at_once_or_when_it_is_asked_for(
    eager: bool, cluster: Cluster, name: str
) -> None:
    made = {str(n): Slot(n, "ann" if n % 7 else "bob") for n in range(2 * AT_ONCE + 1)}
    with opened(cluster, name) as store:
        store.replace_all(made)
    asked: list[Slot] = []

    def owner(slot: Slot) -> str:
        asked.append(slot)
        return slot.owner

    with opened(cluster, name, indexes={"owner": Index(owner)}, eager=eager) as store:
        assert bool(asked) is eager
        now = store.snapshot()
        assert dict(now) == made
        assert len(now.find_all("owner", "bob")) == len(made) // 7 + 1
        store.delete("0")
        assert store.snapshot().find_all("owner", "bob").keys() == {
            key for key, slot in made.items() if slot.owner == "bob"
        } - {"0"}
    assert len(on_server(cluster, name)[0]) == len(made) - 1


def test_threads_share_groups_in_which_one_key_is_written_again_and_again(
    cluster: Cluster, name: str
) -> None:
    def write(key: str) -> None:
        for n in range(20):
            store.set(key, Slot(n))
            store.update("all", lambda slot: slot.replace(quantity=slot.quantity + 1))
            if n % 5 == 4:
                store.delete(key)

    with opened(cluster, name) as store:
        store.set("all", Slot(0))
        threads = [Thread(target=write, args=(key,)) for key in "abcd"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        newest = store.snapshot().version
        assert newest == 1 + 4 * 44
    with opened(cluster, name) as again:
        assert dict(again.snapshot()) == {"all": Slot(80)}
    # Each commit found what the one before it left, also within a group.
    with cluster.connect() as connection:
        changes = connection.execute(
            f"SELECT key, old, new FROM cowstate_{name}.changes ORDER BY version"
        ).fetchall()
        records: dict[str, str | None] = {}
        for key, old, new in changes:
            assert records.get(key) == old
            records[key] = new
        kept = {key: value for key, value in records.items() if value is not None}
        assert kept == on_server(cluster, name)[0]
    assert len(changes) == newest


def test_two_do_not_write_one_store_and_one_database_holds_many(
    cluster: Cluster, name: str
) -> None:
    with opened(cluster, name) as store, opened(cluster, f"{name}_too") as other:
        with pytest.raises(WriterActiveError, match="being written by process") as caught:
            opened(cluster, name, wait=0.05)
        assert name in caught.value.path
        store.set("a", Slot(1))
        other.set("a", Slot(2))
        assert store.snapshot()["a"] != other.snapshot()["a"]


def test_values_may_be_bytes(cluster: Cluster, name: str) -> None:
    with open_store(cluster.url, name=name, key=str, record=Slot, form="msgpack") as store:
        store.set("ä", Slot(1))
        store.set("ä", Slot(2))
        store.set("b\0", Slot(3))
        store.delete("b\0")
    with open_store(cluster.url, name=name, key=str, record=Slot) as again:
        assert dict(again.snapshot()) == {"ä": Slot(2)}
        assert dict(again.at(3)) == {"ä": Slot(2), "b\0": Slot(3)}


def test_a_record_full_of_quotation_marks_costs_no_more_to_send(
    cluster: Cluster, name: str
) -> None:
    # psycopg escapes each of them by a call, where an array is sent as text.
    def calls(owner: str) -> int:
        made: list[None] = []
        sys.setprofile(lambda *_: made.append(None))
        try:
            store.set("a", Slot(1, owner))
        finally:
            sys.setprofile(None)
        return len(made)

    with opened(cluster, name) as store:
        for owner in ("a" * 20_000, '"' * 20_000, '"' * 20_000 + "b"):
            store.set("a", Slot(0, owner))  # planned, and sent in as many pieces
        assert calls('"' * 20_000) < calls("a" * 20_000) + 2_000
        assert store.snapshot()["a"].owner == "a" * 20_000
    with opened(cluster, name) as store:
        assert store.at(4)["a"].owner == '"' * 20_000


def test_a_key_that_no_index_holds_is_refused_alone(cluster: Cluster, name: str) -> None:
    with opened(cluster, name) as store:
        store.set("ä" * 1_299, Slot(1))
        with pytest.raises(CodecError, match="key"):
            store.set("ä" * 1_300, Slot(1))
        assert store.snapshot().version == 1


def test_the_log_is_kept_within_its_bounds_and_compacted(cluster: Cluster, name: str) -> None:
    with opened(cluster, name, bounds=Bounds(versions=5)) as store:
        for n in range(30):
            store.set("a", Slot(n))
        assert store.journal.oldest == 25
        assert store.journal.compact(versions=2) == 28
        assert on_server(cluster, name)[1] == [29, 30]
    with opened(cluster, name, bounds=Bounds(bytes=120)) as store:
        for n in range(30):
            store.set("a", Slot(n))
        oldest = store.journal.oldest
        assert 55 <= oldest < 60
        assert dict(store.at(oldest)) == {"a": Slot(oldest - 31)}


def test_a_migration_rewrites_the_log_too(cluster: Cluster, name: str) -> None:
    with open_store(cluster.url, name=name, key=str, record=int, meta=int) as store:
        for n in range(3):
            store.set("a", n)
        store.set("b", 7)
        store.transact(lambda tx: setattr(tx, "meta", 5))
    with open_store(
        cluster.url, name=name, key=str, record=str, meta=str, schema=1,
        migrate={0: str}, migrate_meta={0: lambda n: n and f"m{n}"},
    ) as store:  # fmt: skip
        assert dict(store.snapshot()) == {"a": "2", "b": "7"}
        assert (store.snapshot().meta, store.at(2)["a"], store.at(4).meta) == ("m5", "1", None)
    with pytest.raises(JournalFileError, match="schema 1"):
        open_store(cluster.url, name=name, key=str, record=int)


def test_what_makes_no_sense_is_refused(cluster: Cluster, name: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="needs a name"):
        open_store(cluster.url, key=str, record=int)
    for bad in ("", "Slots", "1a", "a-b", "a" * 49):
        with pytest.raises(ArgumentValueError, match="name of a store"):
            open_store(cluster.url, name=bad, key=str, record=int)
    with pytest.raises(ArgumentValueError, match="needs no name"):
        open_store(tmp_path / "a.db", name="a", key=str, record=int)
    with pytest.raises(ArgumentValueError, match="needs no name"):
        follow(tmp_path / "a.db", name="a", key=str, record=int)
    with pytest.raises(ArgumentValueError, match="none that libpq") as caught:
        open_store("postgresql://u:hush@h/d?nonsense=1", name=name, key=str, record=int)
    assert "hush" not in str(caught.value)


def test_what_is_no_store_or_cannot_be_had_is_told(cluster: Cluster, name: str) -> None:
    with pytest.raises(JournalFileError, match="not there"):
        follow(cluster.url, name=name, key=str, record=int)
    with cluster.connect() as connection:
        connection.execute(f"CREATE SCHEMA cowstate_{name}")
    with pytest.raises(JournalFileError, match="another program's"):
        opened(cluster, name)
    nowhere = f"postgresql://me:hush@/postgres?host={cluster.home}/nowhere"
    with pytest.raises(JournalError, match="cannot be had") as caught:
        open_store(nowhere, name=name, key=str, record=int)
    assert "hush" not in str(caught.value)
    with pytest.raises(JournalError, match="cannot be had"):
        follow(nowhere, name=name, key=str, record=int)
