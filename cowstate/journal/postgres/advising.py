"""What to do about a server that was not reached, by what it or libpq says: `advice`."""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["advice"]

PASSWORD: Final = (
    "the server wants a password: put it into ~/.pgpass, which only you may read, or PGPASSWORD"
)

KNOWN: Final = (
    # In this order: where libpq tries more than once, with TLS and without, the first says more.
    (r"no password supplied", PASSWORD),
    (
        r"(peer|ident) authentication failed",
        (
            "it lets in only the user of this machine's that this program runs as: let the URL "
            "name that one, or a host, such as localhost, so that a password is asked for"
        ),
    ),
    (
        r"authentication failed",
        "see to the user in the URL, and to the password, in ~/.pgpass or PGPASSWORD",
    ),
    (r"role .* does not exist", "name another user in the URL, or make this one: createuser"),
    (
        r"database .* does not exist",
        "name another one in the URL, or make this one: createdb -E UTF8",
    ),
    (
        r"no pg_hba\.conf entry .*no encryption",
        (
            "see to the user, host and database in the URL; and if that server lets in only who "
            "encrypts, to sslmode there, which must be require or more"
        ),
    ),
    (
        r"no pg_hba\.conf entry",
        (
            "see to the user, host and database in the URL: whom that server lets in where is in "
            "its pg_hba.conf"
        ),
    ),
    (
        r"does not support SSL",
        (
            "have it encrypt (ssl = on, in its postgresql.conf), or if nobody else is on the way "
            "to it, say sslmode=disable in the URL"
        ),
    ),
    (
        r"certificate",
        (
            "sslrootcert= in the URL names the file of whoever signed the certificate of that "
            "server, and with sslmode=verify-full the host in the URL must be the one that it is of"
        ),
    ),
    (
        r"too many (clients|connections)|connection slots",
        "close some, or raise max_connections: a store takes two, and a follower one",
    ),
)


def advice(text: str, handle: Any = None) -> str | None:
    """Return what to do when no connection was made; None if that is not known.

    Only what is known in English has advice of its own, for what a server says may be in any
    language.

    Args:
        text: what libpq says.
        handle: libpq's connection, if there was one.

    >>> advice('FATAL: database "x" does not exist')
    'name another one in the URL, or make this one: createdb -E UTF8'
    >>> advice("Verbindung verweigert")
    """
    for known, what in KNOWN:
        if re.search(known, text, re.IGNORECASE | re.DOTALL):
            return what
    if getattr(handle, "needs_password", None):
        return PASSWORD
    return None
