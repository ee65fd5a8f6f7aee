"""The reduction loses nothing where objects are reached, or changed, by a side way."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import pytest

from cowstate.testing.schedules import explore
from tests.testing.test_schedules_complete import module_of

HEAD = """
import queue
import threading
from cowstate import Store
from tests.testing import beside
class Shared:
    def __init__(self):
        self.x = self.y = self.z = 0
    @property
    def seen(self):
        return 7
    @beside.Lazy
    def lazy(self):
        return 1
class Falling(beside.Falling):
    @property
    def failing(self):
        raise AttributeError("failing")
class Made: pass
class Private(Shared):
    def put(self, n):
        self.__v = n
        self.__v = n * 10
class Below: pass
class One(Below): v = 1
class Two(Below): v = 2
class Child(One): pass
SEEN = vars(Shared)["seen"]
NAME = 1
G = None
log = []
def tell(value):
    log.append(value)
def told(store): tell(store.snapshot()["n"])
def one(self): log.append(1)
def two(self): log.append(2)
"""


class Pair(NamedTuple):
    """Two threads, and how what they share is made."""

    setup: list[str]
    left: list[str]
    right: list[str]
    head: str = ""


READS_X = ["tell(other.x)", "other.x = 5", "tell(other.x)", "other.x = 7"]
PAIRS = {
    "an attribute that the line itself has changed": Pair(
        [],
        ["s.other = other; s.other.x = 1", "s.other = s", "s.other = other; s.other.x = 3"],
        READS_X,
    ),
    "an item that the line itself has changed": Pair(
        [],
        ["box[0] = other; box[0].x = 1", "box[0] = s", "box[0] = other; box[0].x = 3"],
        READS_X,
    ),
    "a name that the line itself has changed": Pair(
        [], ["global G; G = other; G.x = 1", "G = s", "G = other; G.x = 3"], READS_X
    ),
    "two objects with one dictionary": Pair(
        ["s.__dict__ = other.__dict__"],
        ["n = s.x", "s.x = n + 1"] * 2,
        ["n = other.x", "other.x = n + 1"] * 2,
    ),
    "the dictionary of an object": Pair(
        ["held = vars(s)"],
        ["n = held['x']", "held['x'] = n + 1"] * 2,
        ["n = s.x", "s.x = n + 1"] * 2,
    ),
    "the names of a module": Pair(
        ["names = globals()"], ["tell(NAME)"] * 3, [f"names['NAME'] = {n}" for n in (2, 3, 4)]
    ),
    "a name that is rebound where nobody sees it": Pair(
        [], ["tell(NAME)"] * 3, [f"setattr(HERE, 'NAME', {n})" for n in (2, 3, 4)]
    ),
    "the items of a queue": Pair(
        [], ["n = len(q.queue)", "q.queue.append(n)"] * 2, ["n = q.qsize()", "q.put(n)"] * 2
    ),
    "the tasks of a queue": Pair(
        [], ["tell(q.unfinished_tasks)"] * 3, ["q.put(1)", "q.get()", "q.task_done()", "q.put(2)"]
    ),
    "the width of a format": Pair(
        [], ["tell(f'{1:{s.x}}')"] * 3, [f"s.x = {n}" for n in (1, 2, 3, 4)]
    ),
    "a property that is exchanged": Pair(
        [], ["tell(s.seen)"] * 3, ["Shared.seen = 5", "Shared.seen = SEEN", "Shared.seen = 6"]
    ),
    "a property that a class is given": Pair(
        ["Plain.x, s = 1, Plain()", "del Plain.x", "s.x = 0"],
        ["y = s.x", "z = s.x", "tell((y, z))"],
        ["Plain.x = SEEN"],
        "class Plain: pass\n",
    ),
    "a slot that its class loses": Pair(
        ["Plain.x, s = SLOT, Plain()", "s.x = 0"],
        ["y = s.x", "z = s.x", "tell((y, z))"],
        ["Plain.x = 5"],
        "class Plain:\n    __slots__ = ('x',)\nSLOT = Plain.x\n",
    ),
    "a slot that its class loses while it is stored": Pair(
        ["Plain.x, s = SLOT, Plain()", "s.x = 0"],
        [
            *("n = 0", "try:", "    s.x = 3", "    n = 1", "    s.x = 4", "    n = 2"),
            *("except AttributeError:", "    pass", "tell(n)"),
        ],
        ["Plain.x = SEEN"],
        "class Plain:\n    __slots__ = ('x',)\nSLOT = Plain.x\n",
    ),
    "how objects of a class begin": Pair(
        ["Made.__init__ = one"],
        ["Made()"] * 3,
        ["Made.__init__ = two", "Made.__init__ = one", "Made.__init__ = two"],
    ),
    "what a class is made of": Pair(
        ["Child.__bases__ = (One,)", "child = Child()"],
        ["tell(child.v)"] * 3,
        ["Child.__bases__ = (Two,)", "Child.__bases__ = (One,)", "Child.__bases__ = (Two,)"],
    ),
    "a private attribute": Pair(
        ["p = Private(); p._Private__v = 0"],
        ["p.put(1)"],
        ["tell(p._Private__v)", "p._Private__v = 5", "tell(p._Private__v)", "p._Private__v = 7"],
    ),
    "an object of somebody's with a hook": Pair(
        [], ["beside.Hooked().k = 1", "s.y = 1", "beside.Hooked().k = 2"], READS_X
    ),
    "an error that runs code to be made": Pair(
        [], ["try:", "    raise beside.Error", "except beside.Error:", "    s.y = 1"] * 2, READS_X
    ),
    "an object that runs code to be unpacked": Pair([], ["a, b = beside.Pair()"] * 2, READS_X),
    "a condition on somebody's own lock": Pair(
        ["c = threading.Condition(beside.Lock())"],
        ["with c:", "    c.notify()", "c.notify()"],
        READS_X,
    ),
    "a property of somebody's own kind": Pair(
        [], ["other.lazy"] * 3, ["tell(other.z)", "other.x = 5", "tell(other.z)", "other.x = 7"]
    ),
    "what is asked when a property fails": Pair(
        ["f = Falling()"],
        ["f.failing"] * 2,
        ["tell(f.x)", "f.x = 5", "tell(f.x)", "f.x = 7"],
    ),
    "a name of a module, stored as an attribute of it": Pair(
        ["HERE.LIMIT = 0"],
        ["tell(limit())"],
        ["HERE.LIMIT = 1", "log.append(7)", "HERE.LIMIT = 2"],
        "LIMIT = 0\ndef limit():\n    return LIMIT\n",
    ),
    "a slot under another name": Pair(
        ["a = Alias()", "a.x = 0"],
        ["tell(a.x)"] * 2,
        ["a.y = 1", "a.y = 2"],
        "class Slotted:\n    __slots__ = ('x',)\n"
        "class Alias(Slotted):\n    y = Slotted.__dict__['x']\n",
    ),
    "a variable that a generator binds, in one place": Pair(
        ["numbers = ((n := i) for i in range(3))", "next(numbers)"],
        ["y = n", "z = n", "tell((y, z))"],
        ["next(numbers)"],
    ),
    "a variable bound through its cell": Pair(
        ["n = 0"],
        ["y = n", "z = n", "tell((y, z))"],
        ["left.__closure__[left.__code__.co_freevars.index('n')].cell_contents = 5"],
    ),
    "a value for a store, exchanged while its writer waits": Pair(
        [
            *("store, c = Store({'n': 0}), Limits()", "def up(n):"),
            *("    setattr(c, 'limit', 7)", "    return 9"),
        ],
        ["store.set('n', c.limit)", "told(store)"],
        ["store.update('n', up)", "told(store)"],
        "class Limits:\n    def __init__(self):\n        self.limit = 0\n",
    ),
    "the only object of a class, that begins again": Pair(
        [
            *("Only.it = None", "store, c = Store({'n': 0}), Only(lambda n: 3)", "def up(n):"),
            *("    Only(lambda n: 7)", "    return 9"),
        ],
        ["store.update('n', c.change)", "told(store)"],
        ["store.update('n', up)", "told(store)"],
        "class Only:\n    it = None\n    def __new__(cls, change):\n"
        "        cls.it = cls.it or object.__new__(cls)\n        return cls.it\n"
        "    def __init__(self, change):\n        self.change = change\n",
    ),
    "an object that is made to begin again": Pair(
        [
            *("store, c = Store({'n': 0}), Again(lambda n: 3)", "def up(n):"),
            *("    c.__init__(lambda n: 7)", "    return 9"),
        ],
        ["store.update('n', c.change)", "told(store)"],
        ["store.update('n', up)", "told(store)"],
        "class Again:\n    def __init__(self, change):\n        self.change = change\n",
    ),
    "a name that is rebound by code that is not understood": Pair(
        ["globals()['LIM' + 'IT'] = 0"],
        ["x = box", "y = LIMIT", "x = box", "z = LIMIT", "tell((y, z))"],
        ["globals()['LIM' + 'IT'] = 1"],
        "LIMIT = 0\n",
    ),
    "a function that is exchanged by code that is not understood": Pair(
        ["setattr(HERE, 'price', low)"],
        ["x = box", "y = price", "x = box", "z = price", "tell((y is low, z is low))"],
        ["setattr(HERE, 'price', high)"],
        "def low(): pass\ndef high(): pass\n",
    ),
    "a function that is patched for a while": Pair(
        [],
        ["x = box", "y = price", "x = box", "z = price", "tell((y is ONE, z is ONE))"],
        ["with mock.patch.object(HERE, 'price', two):", "    tell(1)"],
        "from unittest import mock\ndef price(): pass\nONE = price\n",
    ),
    "a built-in function that a patch puts another before": Pair(
        ["note, other_len = log.append, two"],
        ["x = box", "y = len", "x = box", "z = len", "note((y is other_len, z is other_len))"],
        ["with mock.patch.object(HERE, 'len', two, create=True):", "    tell(1)"],
        "from unittest import mock\n",
    ),
    "a name that is not there yet": Pair(
        ["vars(HERE).pop('LIM' + 'IT', None)", "note = log.append"],
        [
            *("n = m = 0", "try:", "    x = box", "    n = LIMIT", "except:", "    pass"),
            *("try:", "    x = box", "    m = LIMIT", "except:", "    pass", "note((n, m))"),
        ],
        ["globals()['LIM' + 'IT'] = 1"],
    ),
    "a condition that somebody else tells": Pair(
        ["c = threading.Condition()"],
        ["with c:", "    c.wait_for(beside.asked)"],
        ["with c:", "    c.notify()", "other.x = 5", "with c:", "    c.notify()"],
    ),
}


def module_with(pair: Pair) -> ModuleType:
    made = ["s, other, q, box = Shared(), Shared(), queue.Queue(), [None]", "log.clear()"]
    text = HEAD + pair.head + "def program():\n"
    made += ["beside.target = other", *pair.setup]
    text += "".join(f"    {line}\n" for line in made)
    for name, body in (("left", pair.left), ("right", pair.right)):
        text += f"    def {name}():\n" + "".join(f"        {line}\n" for line in body)
    text += "    check = lambda: (tuple(log), s.x, other.x, other.z, tuple(q.queue))\n"
    return module_of(text + "    return [left, right], check\n")


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_reached_by_a_side_way_is_reached_all_the_same(name: str) -> None:
    module = module_with(PAIRS[name])
    vars(module)["HERE"] = module
    plain, reduced = (
        explore(module.program, modules=[module], preemptions=None, reduction=reduction)
        for reduction in (False, True)
    )
    assert plain.complete
    assert reduced.complete
    assert len(plain.outcomes) > 1
    assert set(reduced.outcomes) == set(plain.outcomes)
