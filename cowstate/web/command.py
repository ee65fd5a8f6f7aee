"""The command ``cowstate serve``: a page over a store, live."""

from __future__ import annotations

import argparse
import os
import re
from typing import Final

from cowstate.errors import ArgumentValueError, MissingExtraError
from cowstate.journal.addressing import add_place, ensure_place

from .guarding import SHORTEST, is_of_this_machine, name_in

__all__ = ["add_arguments", "run"]

PORT: Final = 8642
VARIABLE: Final = "COWSTATE_TOKEN"

_DESCRIPTION: Final = """\
Show a store in a browser, live, while somebody writes it: records, totals, the rate of
commits, each version and what it changed; of a position manager the ladder, the position, and
what is wrong. The store is only read.
"""
_EPILOG: Final = f"""\
It listens on this machine alone. To listen elsewhere give it a token, in a
file or in ${VARIABLE}, that browsers are asked for; and put something before
it that speaks TLS, for this does not.

exit status: 0 ended by Ctrl-C or SIGTERM; 2 bad usage, a bad file, a server
that cannot be had, or nobody can listen there.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``cowstate serve`` to *parser*."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_place(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        type=_address,
        metavar="ADDRESS",
        help="listen there (%(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        metavar="PORT",
        help="on that port (%(default)s); 0: any that is free",
    )
    parser.add_argument(
        "--token-file", metavar="FILE", help=f"whose first line is the token; else ${VARIABLE}"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        type=_host,
        default=[],
        metavar="NAME",
        help="a name that browsers may call it by; repeatable",
    )
    parser.add_argument(
        "--total", action="append", default=[], metavar="FIELD", help="sum up a field; repeatable"
    )
    parser.add_argument(
        "--every",
        type=_seconds,
        default=0.25,
        metavar="SECONDS",
        help="how often to look (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until somebody ends it; return the exit status.

    Raises:
        MissingExtraError: Starlette or uvicorn is not installed.
        ArgumentValueError: the token is bad, or there is none and there has to be one.
        JournalFileError: there is no such store, or none any more.
        JournalError: the server cannot be had.
        ServeError: nobody can listen there.
    """
    ensure_place(args.file, args.name)
    token = _token(args.token_file, os.environ.get(VARIABLE))
    if token is None and not is_of_this_machine(args.host):
        raise ArgumentValueError(
            f"whoever reaches {args.host[:80]!r} could read the file; give a token in --token-file "
            f"or ${VARIABLE}, or leave out --host and let an SSH tunnel lead here"
        )
    try:
        from .app import Door
        from .server import serve
    except ModuleNotFoundError as error:
        raise MissingExtraError("cowstate serve", "web") from error

    def started(place: str, url: str, _: object) -> None:
        print(f"{place} at {url} (Ctrl-C ends it)", flush=True)

    door = Door(args.host, token, tuple(args.allow_host))
    serve(args.file, door, args.port, args.total, args.every, started, args.name)
    return 0


def _token(path: str | None, given: str | None) -> str | None:
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                given = file.readline(10_000).strip()
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ArgumentValueError(f"the token cannot be read from {path!r}: {why}") from None
    if given is None:
        return None
    if len(given) < SHORTEST or not (given.isascii() and given.isprintable()):
        raise ArgumentValueError(
            f"a token is {SHORTEST} or more ASCII characters in one line; make one with "
            "python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return given


def _address(text: str) -> str:
    """Return an address as a socket knows it, which has no brackets, whatever a URL has."""
    text = text.lower()
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no port; write 0 to 65535")
    return int(text)


def _host(text: str) -> str:
    name = name_in(text)
    if name != text.lower().removesuffix(".") or re.fullmatch(r"[\w.-]+", name) is None:
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is no name of a machine; write it without a port and https://"
        )
    return name


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.01 <= seconds <= 3_600:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no pause; write seconds, such as 0.25")
    return seconds
