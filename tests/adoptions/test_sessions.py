"""Sessions of an asyncio application: whatever requests overlap, nothing is lost without a word."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import ConflictError
from tests.adoptions.asked import programs_of

page = programs_of("sessions")

STAYS = {"created": 0.0, "last_access": 0.0, "lifetime": 0}
ALIVE = "__metadata__"


def at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """What *call* returns; it must not let another task run in between."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it awaits something")


class Asking:
    """One request, as starsessions does it: it reads, changes, and writes all, or ends it."""

    def __init__(self, store: Any, serializer: Any) -> None:
        self.store, self.serializer = store, serializer
        found = serializer.deserialize(at_once(store.read("id", 0)))
        self.metadata = {**STAYS, **found.pop(ALIVE, {})}
        self.session, self.read = found, dict(found)

    def change(self, name: str, value: int | None) -> None:
        self.session[name] = value
        if value is None:
            del self.session[name]

    def end(self) -> None:
        if self.session:
            data = self.serializer.serialize({**self.session, ALIVE: self.metadata})
            at_once(self.store.write("id", data, 0, 0))
        elif self.read:
            at_once(self.store.remove("id"))


class Model:
    """What must be there: by name the value, and the step that wrote it."""

    def __init__(self) -> None:
        self.now, self.session = 0, dict[str, tuple[Any, int]]()

    def values(self) -> dict[str, Any]:
        return {name: value for name, (value, _) in self.session.items() if name != ALIVE}

    def end(self, asking: Asking, base: dict[str, tuple[Any, int]]) -> bool:
        """Take what a request has changed; whether it conflicts, and so nothing was taken."""
        if not asking.session:
            if asking.read:
                self.session = {}
            return False
        wanted = {**asking.session, ALIVE: base.get(ALIVE, ("", 0))[0]}
        different = [
            name
            for name in base.keys() | wanted
            if name not in base or name not in wanted or base[name][0] != wanted[name]
        ]
        if not different:
            return False
        if any(base.get(name) != self.session.get(name) for name in (*different, ALIVE)):
            return True
        for name in different:
            self.session[name] = (wanted.get(name), self.now)
            if name not in wanted:
                del self.session[name]
        return False


WHO, NAMES = st.integers(0, 2), st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), WHO),
        st.tuples(st.just("change"), WHO, NAMES, st.none() | st.integers(0, 2)),
        st.tuples(st.just("change"), WHO, NAMES, st.integers(0, 9)),
        st.tuples(st.just("end"), WHO),
        st.tuples(st.just("logout")),
    ),
    max_size=30,
)


def run(steps: list[tuple[Any, ...]], store: Any, serializer: Any) -> None:
    """Let requests overlap as *steps* say: each has its whole effect, or is told of a conflict."""
    model, under_way = Model(), dict[int, tuple[Asking, dict[str, tuple[Any, int]]]]()
    for what, *args in [("begin", 0), ("change", 0, "a", 0), ("end", 0), *steps]:
        model.now += 1
        if what == "logout":
            at_once(store.remove("id"))
            model.session = {}
        elif what == "begin":
            asking = Asking(store, serializer)
            assert asking.read == model.values()
            under_way[args[0]] = asking, dict(model.session)
        elif args[0] in under_way and what == "change":
            name, value = args[1:]
            asking, _ = under_way[args[0]]
            if value is not None or name in asking.session:
                asking.change(name, value)
        elif args[0] in under_way:
            asking, base = under_way.pop(args[0])
            if model.end(asking, base):
                with pytest.raises(ConflictError):
                    asking.end()
            else:
                asking.end()
        assert Asking(store, serializer).read == model.values()


@given(STEPS)
# Its last access is the same, so nothing but the end of the session stands in its way.
@example([("begin", 0), ("change", 0, "b", 1), ("logout",), ("end", 0)])
def test_a_request_has_its_whole_effect_or_is_told_of_a_conflict(
    steps: list[tuple[Any, ...]],
) -> None:
    sessions = page["Sessions"]()
    run(steps, sessions, sessions)


@pytest.mark.parametrize(
    "steps",
    [
        [("begin", 0), ("begin", 1), ("change", 1, "b", 1), ("end", 1), ("end", 0)],
        [
            ("begin", 0),
            ("change", 0, "c", 1),
            ("begin", 1),
            ("change", 1, "c", 2),
            ("end", 1),
            ("end", 0),
        ],
        [("begin", 0), ("logout",), ("end", 0)],
    ],
    ids=["another entry", "the same entry", "after a logout"],
)
def test_the_published_store_does_neither(steps: list[tuple[Any, ...]]) -> None:
    def published() -> tuple[Any, Any]:
        store = page["InMemoryStore"]()
        return store, page["SessionMiddleware"](None, store).serializer

    run(steps[:-1], *published())  # until then it is right
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(steps, *published())


async def _add_after_a_logout() -> tuple[int, str, int, dict[str, Any]]:
    elsewhere = page["Elsewhere"]()
    async with page["browser"](page["shop"](elsewhere.price, **page["kept"]())) as ann:
        adding = asyncio.create_task(ann.post("/add/hat"))
        _, answer = await elsewhere.asked.get()
        await ann.post("/logout")
        answer.set_result(20)
        told = await adding
        session = (await ann.get("/session")).json()
        return told.status_code, told.text, len(told.headers.get_list("set-cookie")), session


def test_a_request_that_adds_after_a_logout_does_not_bring_the_session_back() -> None:
    status, text, cookies, session = asyncio.run(_add_after_a_logout())
    assert (status, cookies, session) == (409, 0, {})
    assert text == "changed meanwhile: __metadata__"


class Request:
    """As much of a request as `get_session_id` looks at."""

    def __init__(self, session_id: str) -> None:
        self.scope = {"session_handler": self}
        self.session_id = session_id


def test_updates_from_many_threads_are_all_kept() -> None:
    sessions = page["Sessions"]()
    first = sessions.serialize({"user": "ann", "__metadata__": STAYS})
    at_once(sessions.write("id", first, 0, 0))

    def count() -> None:
        for _ in range(200):
            sessions.update(Request("id"), "count", lambda seen: seen + 1, 0)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sessions.update(Request("id"), "count", lambda seen: seen) == 800


def test_an_update_of_a_session_that_is_over_says_so_and_makes_none() -> None:
    sessions = page["Sessions"]()
    with pytest.raises(LookupError, match="there is no such session"):
        sessions.update(Request("id"), "count", lambda seen: 1)
    assert len(sessions.entries.snapshot()) == 0


def test_a_session_goes_whole_under_a_new_id() -> None:
    sessions = page["Sessions"]()
    first = sessions.serialize({"user": "ann", "__metadata__": STAYS})
    at_once(sessions.write("old", first, 0, 0))
    session = sessions.deserialize(at_once(sessions.read("old", 0)))
    session["theme"] = "dark"
    at_once(sessions.write("new", sessions.serialize(session), 0, 0))
    found = sessions.entries.snapshot().find_all("session", "new").values()
    values = {entry.name: json.loads(entry.value) for entry in found}
    assert values == {"user": "ann", "theme": "dark", "__metadata__": STAYS}


def test_what_a_request_changes_in_place_is_no_secret() -> None:
    sessions = page["Sessions"]()
    first = sessions.serialize({"cart": [], "__metadata__": STAYS})
    at_once(sessions.write("id", first, 0, 0))
    session, other = (sessions.deserialize(at_once(sessions.read("id", 0))) for _ in "ab")
    session["cart"].append("hat")
    assert other["cart"] == []
    at_once(sessions.write("id", sessions.serialize(session), 0, 0))
    assert sessions.deserialize(at_once(sessions.read("id", 0)))["cart"] == ["hat"]
