"""Who may ask, and how a browser is told to treat what it is given: pure functions over headers."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

__all__ = [
    "COOKIE",
    "HEADERS",
    "SHORTEST",
    "cookie_of",
    "is_foreign",
    "is_host_ours",
    "is_let_in",
    "is_of_this_machine",
    "name_in",
]

COOKIE: Final = "cowstate-serve"
"""The name of what a browser keeps; the port comes after it, for a browser knows no ports."""

SHORTEST: Final = 16
"""How many characters a token has at least."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": of a form a browser would then not say which site it comes from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of each answer. Nothing may be run but the script of the page, and nobody may embed it."""


def name_in(host: str) -> str:
    """Return the name or address in a ``Host``, without its port, in lower case; "" for none.

    >>> name_in("LocalHost:8642"), name_in("[::1]:8642"), name_in("::1"), name_in("a:b")
    ('localhost', '::1', '', '')
    """
    host = host.strip().lower()
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        known = bracket and (not rest or (rest[0] == ":" and rest[1:].isdecimal()))
        return name if known and is_address(name) else ""
    name, colon, port = host.partition(":")
    return name.removesuffix(".") if not colon or port.isdecimal() else ""


def is_address(name: str) -> bool:
    """Whether *name* is the number of a machine, and so needs nobody to say which it is of."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_of_this_machine(name: str) -> bool:
    """Whether only programs of this machine can connect to *name*.

    >>> [is_of_this_machine(each) for each in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "a.b")]
    [True, True, True, False, False]
    """
    return name == "localhost" or (is_address(name) and ip_address(name).is_loopback)


def is_host_ours(hosts: Collection[str], bound: str, allowed: Collection[str]) -> bool:
    """Whether a request is meant for us, and not for a name that somebody has pointed at us.

    A page from elsewhere may have its own name lead here (DNS rebinding), and is then of one
    origin with what it asks. It cannot have the browser send another name than that; so a number
    is nobody's name, and any other name has to be one that was *allowed*.

    Args:
        hosts: the values of the ``Host`` headers; there must be one.
        bound: the address that is listened on.
        allowed: further names.

    >>> is_host_ours(["localhost:8642"], "127.0.0.1", ())
    True
    >>> is_host_ours(["evil.example"], "127.0.0.1", ()), is_host_ours([], "127.0.0.1", ())
    (False, False)
    >>> is_host_ours(["192.0.2.1"], "127.0.0.1", ()), is_host_ours(["192.0.2.1"], "0.0.0.0", ())
    (False, True)
    """
    if len(hosts) != 1:
        return False
    [host] = hosts
    name = name_in(host)
    if not name:
        return False
    if is_of_this_machine(name) or name in {each.lower() for each in allowed}:
        return True
    return not is_of_this_machine(bound) and (name == bound.lower() or is_address(name))


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site makes this request.

    To come here by a link is not foreign; what such a page cannot do is read the answer, or have
    anything else answered. What it embeds, a frame of our events for one, would hold a place.

    >>> is_foreign({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
    True
    >>> is_foreign({"host": "localhost:1", "origin": "http://evil.example"})
    True
    >>> is_foreign({"host": "localhost:1", "origin": "http://localhost:1"})
    False
    """
    site = headers.get("sec-fetch-site", "none")
    by_link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest", "document"))
    if site not in ("none", "same-origin") and by_link != ("navigate", "document"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    # A proxy before us may speak https where we do not.
    return origin.removeprefix("https://").removeprefix("http://") != headers.get("host")


def cookie_of(token: str) -> str:
    """Return what a browser keeps that has given *token*: good after a restart, and not the token.

    >>> cookie_of("a" * 16) == cookie_of("a" * 16) != cookie_of("b" * 16)
    True
    """
    return hmac.new(token.encode(), b"cowstate serve: a browser", sha256).hexdigest()


def is_let_in(token: str | None, cookie: str | None, authorization: str | None) -> bool:
    """Whether who asks has given the token, where there is one. Takes as long for any wrong one.

    >>> is_let_in(None, None, None), is_let_in("t" * 16, None, None)
    (True, False)
    >>> is_let_in("t" * 16, None, "Bearer " + "t" * 16), is_let_in("t" * 16, "t" * 16, None)
    (True, False)
    """
    if token is None:
        return True
    kind, _, given = (authorization or "").partition(" ")
    by_header = kind.lower() == "bearer" and _same(given.strip(), token)
    return _same(cookie or "", cookie_of(token)) or by_header


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())
