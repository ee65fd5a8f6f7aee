"""blinker 1.9.0: "Repeated calls with the same name return the same signal."

`Namespace.signal` looks whether there is one, and then makes one.
"""

from __future__ import annotations

from typing import Any

from cowstate.testing import Scenario
from tests.hunt.pinned import pinned, told

HERE = "blinker.base"


class Listeners:
    """Those who listen to one name, by numbers."""

    def __init__(self) -> None:
        self.names = pinned("blinker").Namespace()

    def listen(self, number: int) -> None:
        def receiver(sender: Any) -> int:
            return number

        self.names.signal("news").connect(receiver, weak=False)

    def send(self) -> list[int]:
        return sorted(number for _, number in self.names.signal("news").send(None))


def test_of_two_that_listen_to_a_new_name_at_once_one_never_hears_of_anything() -> None:
    scenario = Scenario(before=(), threads=((("listen", (1,)),), (("listen", (2,)), ("send", ()))))
    *listened, sent = told(scenario, Listeners, HERE)
    assert listened == ["listen(1) -> None", "listen(2) -> None"]
    assert sent in ("send() -> [1]", "send() -> [2]")
