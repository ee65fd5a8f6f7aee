"""For those who test what they build on a store, or anything else that several threads use.

Schedules of threads are in `cowstate.testing.schedules`. What needs hypothesis (`explore_object`,
`StoreMachine`, the strategies) needs the extra ``testing``; the rest works without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .calls import Call, Raised
from .clocks import ManualClock
from .errors import HangError, NotLinearizableError, ScenarioError, UndecidedError, UnrecordedError
from .linearizability import Linearization, check_linearizable
from .models import WAITS, Model
from .recorder import Recorder
from .running import run_threads

if TYPE_CHECKING:
    from .machines import StoreMachine, writes
    from .scenario import Operations, Scenario, ScenarioTally, explore_object, scenarios
    from .strategies import change_sets, histories, records, stores

__all__ = [
    # histories of calls
    "Recorder",
    "Call",
    "Raised",
    "Model",
    "WAITS",
    "check_linearizable",
    "Linearization",
    # generated programs
    "explore_object",
    "Operations",
    "Scenario",
    "ScenarioTally",
    "scenarios",
    # threads and time
    "run_threads",
    "ManualClock",
    # hypothesis
    "StoreMachine",
    "writes",
    "records",
    "change_sets",
    "stores",
    "histories",
    # errors
    "NotLinearizableError",
    "UndecidedError",
    "UnrecordedError",
    "ScenarioError",
    "HangError",
]

# Imported when first asked for, since they need hypothesis.
_WITH_HYPOTHESIS: Final = {
    "StoreMachine": "machines",
    "writes": "machines",
    "Operations": "scenario",
    "Scenario": "scenario",
    "ScenarioTally": "scenario",
    "explore_object": "scenario",
    "scenarios": "scenario",
    "change_sets": "strategies",
    "histories": "strategies",
    "records": "strategies",
    "stores": "strategies",
}


def __getattr__(name: str) -> Any:
    module = _WITH_HYPOTHESIS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
