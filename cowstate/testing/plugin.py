"""The pytest plugin: a test marked with ``schedules`` is a program, run in every schedule.

To turn it on, write ``pytest_plugins = ["cowstate.testing.plugin"]`` in the outermost conftest.py.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any, Final

import pytest

from ..errors import ArgumentTypeError
from .points import listed
from .schedules import explore, sample

__all__ = ["pytest_configure", "pytest_pyfunc_call"]

_MARKER: Final = (
    "schedules(modules=(), *, samples=None, **options): the test returns the functions of its "
    "threads and a check, and is run in every schedule of theirs; in so many drawn at random, if "
    "samples is given. See cowstate.testing.schedules.explore and sample for the options."
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test in every schedule."""
    marker = pyfuncitem.get_closest_marker("schedules")
    if marker is None:
        return None
    # Beside those that the test asks for, there are those that are used by themselves.
    asked = inspect.signature(pyfuncitem.obj).parameters
    given = {name: value for name, value in pyfuncitem.funcargs.items() if name in asked}
    options = dict(marker.kwargs)
    modules = listed(marker.args[0] if marker.args else options.pop("modules", ()))
    samples = options.pop("samples", None)
    own: ModuleType = sys.modules[pyfuncitem.function.__module__]
    named = [*modules, *(() if own in modules or own.__name__ in modules else (own,))]

    def program() -> Any:
        made = pyfuncitem.obj(**given)
        if not (isinstance(made, tuple) and len(made) == 2):
            raise ArgumentTypeError(
                f"{pyfuncitem.name} is marked with schedules, so it must return the functions of "
                "its threads and a check, as in `return [add, add], check`"
            )
        return made

    if samples is None:
        found = explore(program, modules=named, **options)
    else:
        found = sample(program, modules=named, schedules=samples, **options)
    pyfuncitem.user_properties.append(("schedules", found.schedules))
    return True
