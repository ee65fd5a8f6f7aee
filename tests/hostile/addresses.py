"""URLs of servers: what is said of them has no password in it, whatever else is wrong."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from random import Random
from typing import Any, Final

from cowstate import CowstateError
from cowstate.cli import main
from cowstate.journal import follow, open_store
from cowstate.journal.postgres.server import Server, is_url
from tests.hostile.door import TAKEN, Door, Knock, LawBrokenError
from tests.hostile.drawing import TEXTS

__all__ = ["DOORS", "SECRET", "told_of"]

SECRET: Final = "hunter2"

# Nobody listens on port 1, so that no connection is waited for.
_SCHEMES: Final = (
    *("postgresql://", "postgres://", "POSTGRESQL://", "Postgres://", "postgresql:/", "mysql://"),
    *("postgresql+psycopg://", "http://", "postgresql:", " postgresql://"),
)
_PASSWORDS: Final = (
    *("{}", "{}@x", "x@{}", "{}/x", "x/{}", "x#{}", "x?{}", "x:{}", "%{}", "x%zz{}", "{} x", "[{}"),
    *("{}]", "x\n{}", "x\0{}", "x{}%00", "x\u20ac{}"),
)
_HOSTS: Final = ("127.0.0.1:1", "[::1]:1", "127.0.0.1:x", "[::1", "127.0.0.1:1,127.0.0.1:1", "")
_ENDS: Final = ("/db", "", "/", "/db?x=1", "/db?sslmode=disable", "/db?password={}", "?{}", "/db%")


def told_of(use: Callable[[], Any]) -> tuple[str, str]:
    """What came of *use*, and all that it told: printed, raised, in the causes and contexts."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            use()
            how = TAKEN
        except CowstateError as error:
            how = type(error).__name__
            out.write("".join(traceback.format_exception(error)))
            chain: BaseException | None = error
            while chain is not None:
                out.write(f"{chain!r} {chain} {chain.args!r} {vars(chain)!r}")
                hidden = chain.__suppress_context__
                chain = chain.__cause__ or (None if hidden else chain.__context__)
    return how, out.getvalue()


@contextmanager
def _opened() -> Generator[Knock]:
    def knock(random: Random) -> str:
        password = random.choice(_PASSWORDS).format(SECRET)
        user = random.choice(("u", "", "a@b", *TEXTS[:4]))
        url = (
            f"{random.choice(_SCHEMES)}{user}:{password}@{random.choice(_HOSTS)}"
            f"{random.choice(_ENDS).format(SECRET)}"
        )
        if random.random() < 0.2:
            at = random.randrange(len(url))
            url = url[:at] + random.choice(TEXTS[:-2]) + url[at:]
        name = random.choice(("positions", "positions", None, "", "A", 'x"y', "x" * 99))
        uses: tuple[Callable[[], Any], ...] = (
            lambda: Server(url, name).where if is_url(url) else None,
            lambda: open_store(url, name=name, key=str, record=str, wait=0).close(),
            lambda: follow(url, name=name, key=str, record=str).close(),
            lambda: main(["show", url, "--name", str(name)]),
            lambda: main(["serve", url, "--name", str(name), "--port", "0"]),
        )
        which = random.randrange(len(uses))
        begin, colon, _ = url.partition(":/")
        if "://" not in url and (not colon or "/" in begin or "\\" in begin):
            which = 0  # a name of a file, whatever was meant
        how, told = told_of(uses[which])
        if SECRET in told:
            raise LawBrokenError(f"{url!r}, by way {which}, told its password: {told[-2_000:]!r}")
        return how

    yield knock


DOORS: Final = [Door("url", "URLs of servers, with a password in them", _opened)]
