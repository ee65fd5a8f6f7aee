"""Ctrl-C in the middle of a mirror that runs: the store is whole, and another mirror may follow."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

import pytest

from cowstate import Store
from cowstate.mirror import Changes, Listed, Mirror, Pause
from tests.faults.injection import Injected, in_another_thread, interrupt_at_opcode

STRIDE = 13
"""Each so manieth instruction, from another one on in each test; all of them take a minute."""


def in_mirror(code: CodeType) -> bool:
    return "/cowstate/mirror/" in code.co_filename.replace("\\", "/")


class Short:
    """A source that tells a little, and then has the mirror closed."""

    def __init__(self) -> None:
        self.mirror: Any = None

    def list(self) -> Any:
        return Listed({"a": 1, "b": 2}, 0)

    def watch(self, revision: Any, /) -> Iterator[Any]:
        yield Changes({"a": 3}, ["b"], 1)
        yield Pause(0)
        self.mirror.close()


def mirror_of(store: Any) -> Mirror[str, int]:
    source = Short()
    source.mirror = Mirror(store, source, backoff=lambda failures: 0.0, sleep=lambda seconds: None)
    return source.mirror  # type: ignore[no-any-return]


def started_and_closed(store: Any) -> None:
    with mirror_of(store) as mirror:
        mirror.wait_synced(30)


def run(store: Any) -> None:
    mirror_of(store).run()


STATES = [{"own": 0}, {"a": 1, "b": 2}, {"a": 3}]


@pytest.mark.parametrize(("act", "begin"), [(run, 1), (run, 4), (started_and_closed, 1)])
def test_it_leaves_the_store_whole_and_to_others(act: Any, begin: int) -> None:
    for number in range(begin, 100_000, STRIDE):
        store: Store[str, int] = Store({"own": 0})
        if interrupt_at_opcode(lambda: act(store), number, Injected, in_mirror) is None:  # noqa: B023
            break
        if act is run:
            assert dict(store.snapshot()) in STATES

            def follow() -> None:
                mirror_of(store).run()  # noqa: B023
                assert dict(store.snapshot()) == {"a": 3}  # noqa: B023

            in_another_thread(follow)
    else:
        raise AssertionError("this never ends")
    assert number > 10 * STRIDE
