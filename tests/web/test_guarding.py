"""Who is let in: a browser of ours, and nothing that another site makes it ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.web.guarding import (
    cookie_of,
    is_foreign,
    is_host_ours,
    is_let_in,
    is_of_this_machine,
    name_in,
)

TOKENS = st.text("abc-_", min_size=16, max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,9}(\.[a-z][a-z0-9-]{0,9}){1,3}", fullmatch=True)


@given(NAMES, st.sampled_from(["127.0.0.1", "::1", "localhost", "0.0.0.0", "192.0.2.1"]))
def test_a_name_that_nobody_allowed_is_not_ours(name: str, bound: str) -> None:
    for host in (name, f"{name}:8642", f"{name}.", f"127.0.0.1.{name}", f"localhost.{name}:80"):
        assert not is_host_ours([host], bound, ["other.example"])
    assert is_host_ours([f"{name.upper()}:8642"], bound, [name])


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", ":", ":80", "[", "[]", "[::1", "[::1]x", "[::1]:x", "[evil.example]"),
        *(
            "localhost:80:80",
            "localhost@evil.example",
            "localhost/evil",
            "127.0.0.1x",
            "2130706433",
        ),
        *("user:pw@localhost", "localhost:80 evil.example", "0x7f.1", "::1"),
    ],
)
def test_what_is_no_host_is_not_ours(host: str) -> None:
    assert not is_host_ours([host], "127.0.0.1", [])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8642", "[::1]:8642"])
def test_this_machine_is_ours(host: str) -> None:
    assert is_host_ours([host], "127.0.0.1", [])
    assert not is_host_ours([host, host], "127.0.0.1", [])
    assert not is_host_ours([host, "evil.example"], "127.0.0.1", [])


def test_a_number_is_nobody_s_name() -> None:
    assert is_host_ours(["192.0.2.7:80"], "0.0.0.0", [])
    assert is_host_ours(["[2001:db8::1]:80"], "::", [])
    assert not is_host_ours(["192.0.2.7:80"], "127.0.0.1", [])


@given(st.text())
def test_any_text_has_a_name_or_none(text: str) -> None:
    name = name_in(text)
    assert is_of_this_machine(name) in (True, False)


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, False),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, True),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        *(
            (
                {
                    "sec-fetch-site": "cross-site",
                    "sec-fetch-mode": "navigate",
                    "sec-fetch-dest": dest,
                },
                dest != "document",
            )
            for dest in ("document", "iframe", "frame", "embed", "object")
        ),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "origin": "null"}, True),
        ({"host": "localhost:1", "origin": "http://localhost:2"}, True),
        ({"host": "localhost:1", "origin": "https://localhost:1"}, False),
        ({"host": "localhost:1", "origin": "ftp://localhost:1"}, True),
    ],
)
def test_what_another_site_asks_for_is_foreign(headers: dict[str, str], foreign: bool) -> None:
    assert is_foreign(headers) is foreign


@given(TOKENS, TOKENS, st.none() | st.text(), st.none() | st.text())
def test_nobody_is_let_in_without_the_token(
    token: str, other: str, cookie: str | None, header: str | None
) -> None:
    assert is_let_in(token, cookie_of(token), header)
    assert is_let_in(token, cookie, f"bearer {token}")
    assert not is_let_in(token, cookie, header)
    assert not is_let_in(token, token, token)
    if other != token:
        assert not is_let_in(token, cookie_of(other), f"Bearer {other}")
    assert token not in cookie_of(token)
