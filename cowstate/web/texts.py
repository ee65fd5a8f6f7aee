"""What stands in a file as text of bounded length, whoever wrote it: `name_of` and `text_of`."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cowstate.errors import CodecError
from cowstate.journal.reading import as_text
from cowstate.showing import cut, shown

__all__ = ["KEY", "LONG", "ROW", "name_of", "text_of"]

KEY: Final = 200
"""How many characters of a key are shown."""

ROW: Final = 500
"""How many characters of a record are shown in its row."""

LONG: Final = 4_000
"""How many are where somebody asked for it."""

DECODED: Final = 65_536
"""How long a value may be, in bytes or characters, that is looked into."""


def text_of(value: object, most: int) -> str:
    r"""Return what stands in a file as JSON, at most *most* characters of it and a note.

    Never raises, and takes no longer for what is long.

    >>> text_of('{"a":1}', 500), text_of(b"\x81\xa1a\x01", 500), text_of("[1,2,3]", 3)
    ('{"a":1}', '{"a":1}', '[1,... (7 characters)')
    >>> text_of(1.5, 500)
    '(cannot be read: 1.5)'
    """
    return _cut(value, most)[0]


def name_of(key: object) -> str:
    """Return what a key is called on the page: another text for each key.

    >>> name_of('"a"')
    '"a"'
    >>> long = ['"' + "a" * 300 + last + '"' for last in "bc"]
    >>> name_of(long[0]) == name_of(long[1]), len(name_of(long[0])) < 300
    (False, True)
    """
    text, whole = _cut(key, KEY)
    if whole:
        return text
    raw = key if isinstance(key, bytes) else str(key).encode(errors="surrogatepass")
    return f"{text} {sha256(raw).hexdigest()[:16]}"


def _cut(value: object, most: int) -> tuple[str, bool]:
    """Return the text of a value, and whether that is all of it."""
    if not isinstance(value, str | bytes):
        return f"(cannot be read: {shown(value, most)})", False
    if len(value) > DECODED:
        if isinstance(value, str):
            return f"{value[:most]}... ({len(value):,} characters)", False
        return f"({len(value):,} bytes)", False
    try:
        text = as_text(value)
    except CodecError as error:
        return f"(cannot be read: {cut(str(error), most)})", False
    if len(text) <= most:
        return text, True
    return f"{text[:most]}... ({len(text):,} characters)", False
