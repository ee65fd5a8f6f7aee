"""What remote collections answer: an API of Kubernetes, a directory, a function with ETags."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from cowstate import Store
from cowstate.mirror import (
    UNCHANGED,
    FileSource,
    Listed,
    Mirror,
    Pause,
    PollingSource,
)
from cowstate.mirror.kubernetes import KubernetesSource
from cowstate.testing import ManualClock
from tests.hostile.door import TAKEN, Door, Knock, LawBrokenError, hushed
from tests.hostile.drawing import ATOMS, TEXTS, mutated, mutated_tree

__all__ = ["DOORS", "Answer"]

LONGEST: Final = 1_000
NEWS: Final = 8


def pod(name: str, revision: str = "7") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": revision},
        "spec": {"node": "n1", "ports": [80, 443]},
    }


LIST: Final[dict[str, Any]] = {
    "kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"},
    "items": [pod("a"), pod("b")],
}  # fmt: skip

EVENTS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "ADDED", "object": pod("c", "8")},
    {"type": "MODIFIED", "object": pod("a", "9")},
    {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "10"}}},
    {"type": "DELETED", "object": pod("b", "11")},
    {
        "type": "ERROR",
        "object": {"code": 410, "message": "too old resource version", "reason": "Gone"},
    },
    {"type": "ERROR", "object": {"code": 500, "message": "no", "reason": "InternalError"}},
)


class Answer:
    """What the client returns of one request: bytes, in pieces."""

    def __init__(self, data: bytes, size: int = 1_000) -> None:
        self.data = data
        self._size = size

    def stream(self, amt: object, decode_content: bool) -> Iterator[bytes]:
        for at in range(0, len(self.data), self._size):
            yield self.data[at : at + self._size]

    def release_conn(self) -> None: ...
    def close(self) -> None: ...
    def shutdown(self) -> None: ...


def _said(tree: Any) -> bytes:
    try:
        return json.dumps(tree).encode(errors="surrogatepass")
    except (RecursionError, ValueError):
        return b"[" * 100_000


class _Run:
    """A mirror in this thread, until its source has said all; what is asked is watched."""

    def __init__(self, source: Any, held: dict[str, Any]) -> None:
        self.store: Store[Any, Any] = Store(held)
        self.sleeps = 0
        self.clock = ManualClock()
        self.mirror: Mirror[Any, Any] = Mirror(
            self.store, source, clock=self.clock, sleep=self._sleep, backoff=lambda _: 1.0
        )

    def _sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.clock.advance(min(seconds, 1e6) or 1e-3)
        if self.sleeps > NEWS:
            self.mirror.close()

    def run(self) -> str:
        """Run it; it ends because it was closed, and says in bounded length what went wrong."""
        with hushed():
            self.mirror.run()
        status = self.mirror.status()
        if status.last_error is not None and len(status.last_error) > LONGEST:
            raise LawBrokenError(f"an error of {len(status.last_error)} characters")
        dict(self.store.snapshot())
        return "an error, told and tried again" if status.errors else TAKEN


@contextmanager
def _kubernetes() -> Generator[Knock]:
    def knock(random: Random) -> str:
        lists = _said(LIST if random.random() < 0.6 else mutated_tree(random, LIST))
        if random.random() < 0.2:
            lists = mutated(random, lists)
        events = [random.choice(EVENTS) for _ in range(4)]
        if random.random() < 0.7:
            events = [mutated_tree(random, each) for each in events]
        lines = b"\n".join([_said(each) for each in events]) + b"\n"
        if random.random() < 0.4:
            lines = mutated(random, lines)
        if random.random() < 0.05:
            lines = b"x" * (40 << 20)
        refused = random.choice((None, None, *TEXTS[:12], "7", "9" * 400))

        def ask(**options: Any) -> Answer:
            if options.get("watch"):
                if refused is not None:
                    error = ApiException(status=429, reason=refused)
                    error.headers = {"Retry-After": refused}
                    raise error
                return Answer(lines, random.choice((1_000, 65_536)))
            return Answer(lists)

        return _Run(KubernetesSource(ask), {"shop/old": 1}).run()

    yield knock


@contextmanager
def _folder() -> Generator[Knock]:
    with tempfile.TemporaryDirectory() as top:

        def knock(random: Random) -> str:
            folder = os.path.join(top, "watched")
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
            for _ in range(random.randrange(1, 6)):
                _thing(random, folder)
            source = FileSource(folder, decode=json.loads, recursive=random.random() < 0.7)

            def changing(revision: Any) -> Iterator[Any]:
                for news in source.watch(revision):
                    if isinstance(news, Pause):
                        _thing(random, folder)
                    yield news

            return _Run(_Both(source.list, changing), {}).run()

        yield knock


class _Both:
    def __init__(self, lists: Callable[[], Any], watches: Callable[[Any], Any]) -> None:
        self.list, self.watch = lists, watches


def _thing(random: Random, folder: str) -> None:
    """Put something into a directory."""
    names = [
        b"a.json",
        b"b.json",
        b"\xff\xfe",
        b" ",
        b"-rf",
        b"x" * 255,
        "\u202e".encode(),
        b"a\nb",
    ]
    path = os.path.join(os.fsencode(folder), random.choice(names))
    how = random.randrange(9)
    try:
        if how < 4:
            if not os.path.isfile(path) and os.path.lexists(path):
                return
            with open(path, "wb") as file:
                file.write(random.choice((_said(random.choice(ATOMS)), b"[" * 50_000, b"\xff")))
        elif how == 4:
            os.symlink(random.choice((b".", b"a.json", b"/dev/zero", b"/nowhere")), path)
        elif how == 5:
            os.mkfifo(path)
        elif how == 6:
            os.makedirs(path + b"/d" * random.choice((1, 40, 300)))
        elif os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        pass


@contextmanager
def _polling() -> Generator[Knock]:
    def knock(random: Random) -> str:
        def fetch(etag: Any) -> Any:
            how = random.randrange(6)
            atom: Any = random.choice((*ATOMS, set(), object(), b"x"))
            if how == 0:
                return UNCHANGED
            if how == 1:
                return atom
            if how == 2:
                return Listed(atom, atom)
            if how == 3:
                return Listed([(atom, atom), ("a",)], etag)
            if how == 4:
                return Listed({"a": atom, "b": 1}, atom)
            return Listed({"a": 1}, random.choice(TEXTS))

        return _Run(PollingSource(fetch, interval=1, etags=True), {"old": 1}).run()

    yield knock


DOORS: Final = [
    Door("kubernetes", "lists and watch streams of an API of Kubernetes", _kubernetes),
    Door("folder", "the files of a directory: names, bytes, links, pipes, depth", _folder),
    Door("polling", "what a function with ETags returns", _polling),
]
