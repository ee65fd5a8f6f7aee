"""What is done with records and meta values of some megabytes, wherever the log is."""

from __future__ import annotations

from typing import Any, Final

from cowstate.journal import follow, open_store
from cowstate.journal.tails import view_of
from cowstate.journal.verifying import faults_of
from cowstate.journal.view import Form

LARGE: Final = 3_000_000
SOON: Final = 120.0


def lived(path: str, form: Form, name: str | None = None) -> None:
    """One is written, followed, gone back to, and read by the next life, as a small one is."""
    # Not all one character: what a database makes of that is another matter.
    first, second, third = (
        "".join(map(chr, range(33, 127))) * (LARGE // 94) + end for end in "123"
    )
    kinds: dict[str, Any] = {"key": str, "record": str, "meta": str, "name": name}
    with open_store(path, form=form, **kinds) as store, follow(path, **kinds) as follower:
        store.set("a", first)
        follower.wait_for(version=1, timeout=SOON)
        store.set("a", second)
        store.set_meta(third)
        store.transact(lambda tx: tx.update(b=first, c=third))
        commit = store.delete("a")
        now = follower.wait_for(version=commit.version, timeout=SOON)
        assert (dict(now), now.meta) == ({"b": first, "c": third}, third)
    with open_store(path, **kinds) as store:
        assert (dict(store.snapshot()), store.snapshot().meta) == (dict(now), third)
        assert (store.at(1)["a"], store.at(2)["a"], store.at(2).meta) == (first, second, None)
    view = view_of(path, name)
    try:
        assert list(faults_of(view)) == []
    finally:
        view.close()
