"""Records and meta values of some megabytes on a server; and one that is too large."""

from __future__ import annotations

import pytest

from cowstate import CodecError
from cowstate.journal import encoded
from cowstate.journal.view import Form
from tests.journal.files import Slot
from tests.journal.large import lived
from tests.journal.postgres.servers import Cluster, opened


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_large_one_is_what_a_small_one_is(form: Form, cluster: Cluster, name: str) -> None:
    lived(cluster.url, form, name)


def test_one_that_is_too_large_is_refused_alone(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded, "MOST", 1_000)
    with opened(cluster, name) as store:
        for write in (
            lambda: store.set("a", Slot(1, "x" * 1_000)),
            lambda: store.set_meta("x" * 1_000),
        ):
            with pytest.raises(CodecError, match=r"more than a journal holds .*\(1,000\)"):
                write()
        assert store.snapshot().version == 0
        assert store.set("a", Slot(1)).version == 1
