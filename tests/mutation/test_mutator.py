"""The mutants themselves: what becomes of what, what is left alone, and by what name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cowstate
from tests.mutation.mutator import LONGEST, mutants_of

PACKAGE = Path(cowstate.__file__).parent


def changes(source: str) -> list[str]:
    return [mutant.change for mutant in mutants_of(source)]


def mutated(source: str, change: str) -> str:
    (text,) = [mutant.text for mutant in mutants_of(source) if mutant.change == change]
    return text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["x = a < b | a < b -> a <= b"]),
        ("x = a is b", ["x = a is b | a is b -> a is not b"]),
        ("x = a in b", ["x = a in b | a in b -> a not in b"]),
        ("x = a < b < c", [
            "x = a < b < c | a < b < c -> a <= b < c",
            "x = a < b < c | a < b < c -> a < b <= c",
        ]),
        ("x = a and b", [
            "x = a and b | a and b -> a or b",
            "x = a and b | a and b -> b",
            "x = a and b | a and b -> a",
        ]),
        ("x = not a", ["x = not a | not a -> a"]),
        ("x = -a", ["x = -a | -a -> a"]),
        ("x = a - b", ["x = a - b | a - b -> a + b"]),
        ("x = 'a' + b", []),
        ("x = 5", ["x = 5 | 5 -> 6"]),
        ("x = True", ["x = True | True -> False"]),
        ("x = f(y=False)", ["x = f(y=False) | False -> True"]),
        ("x = a if b else c", [
            "x = a if b else c | a if b else c -> a",
            "x = a if b else c | a if b else c -> c",
        ]),
        ("x = [a for a in b if c]", ["x = [a for a in b if c] | c -> True"]),
        ("f()", ["f() -> pass"]),
        ("a.x = b", ["a.x = b -> pass"]),
        ("a[x] = b", ["a[x] = b -> pass"]),
        ("a.x: int = b", ["a.x: int = b -> pass"]),
        ("del a", ["del a -> pass"]),
        ("a += b", ["a += b -> a -= b", "a += b -> pass"]),
        ("raise E", ["raise E -> pass"]),
        ("def f():\n return a", ["return a -> None"]),
        ("def f():\n return", ["return -> pass"]),
        ("def f():\n return None", []),
        ("def f():\n yield a", ["yield a | a -> None"]),
        ("def f(a=0): ...", ["def f | 0 -> 1"]),
        ("if a: f", ["if a -> True", "if a -> False"]),
        ("while a: f", ["while a -> False"]),
        ("while True: f", ["while True -> False"]),
        ("for a in b: continue", ["continue -> pass"]),
        ("a = b\na = c", ["a = c -> pass"]),
        ("def f(a):\n a = g(a)", ["a = g(a) -> pass"]),
        ("def f():\n for a in b:\n  a = c", ["a = c -> pass"]),
        ("with a: f()", ["f() -> pass"]),
        ("try: f()\nexcept E: g()\nfinally: h()", ["f() -> pass", "g() -> pass", "h() -> pass"]),
        ("class C(B, x=True): ...", ["def C | True -> False"]),
    ],
)  # fmt: skip
def test_each_kind_of_code_has_its_changes(source: str, expected: list[str]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of 5 > 4."""',
        "import a",
        "from a import b",
        "x: Literal[5]",
        "def f(a: Literal[5]) -> Literal[True]: ...",
        "T = TypeVar('T', covariant=True)",
        "if TYPE_CHECKING:\n x = 5",
        "@overload\ndef f(a: int = 5) -> int: ...",
        "x = f'{a + 5} of {b > c}'",
        "class C(B[Literal[5]]): ...",
        "@dataclass_transform(frozen_default=True)\nclass C: ...",
    ],
)
def test_what_nothing_runs_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_a_mutant_is_named_by_what_it_changes_and_where_and_not_by_its_line() -> None:
    source = "class C:\n def f(self):\n  def g():\n   return a\n"
    ((function, change, line, _),) = mutants_of(source)
    assert (function, change, line) == ("C.f.g", "return a -> None", 4)
    moved = mutants_of("\n\n# further down\n" + source)
    assert [mutant[:2] for mutant in moved] == [("C.f.g", "return a -> None")]


def test_what_has_the_same_name_in_one_function_is_numbered() -> None:
    assert changes("def f():\n g()\n g()\ndef h():\n g()") == [
        "g() -> pass",
        "g() -> pass #2",
        "g() -> pass",
    ]


def test_a_name_stays_short() -> None:
    (name,) = changes(f"raise E({'a' * 1000!r})")
    assert len(name) < 2 * LONGEST


def test_a_change_of_several_lines_leaves_every_line_where_it_was() -> None:
    source = "def f():\n    return g(\n        a,\n        b,\n    )\nf(\n    c\n)\nd = e\n"
    for mutant in mutants_of(source):
        assert mutant.text.count("\n") == source.count("\n")
        assert mutant.text.endswith("\nd = e\n")
        ast.parse(mutant.text)
    assert mutated(source, "f(c) -> pass").splitlines()[5:] == ["pass", "", "", "d = e"]


def test_a_change_is_made_where_it_stands_whatever_stands_before_it_on_the_line() -> None:
    source = "with lock: é = 'ü'; f(é)  # noqa\n"
    assert mutated(source, "f(é) -> pass") == "with lock: é = 'ü'; pass  # noqa\n"


@pytest.mark.parametrize("module", ["changes", "maps", "store", "positions/book/orders"])
def test_the_mutants_of_a_module_are_modules_with_names_of_their_own(module: str) -> None:
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    mutants = mutants_of(source)
    assert len(mutants) > 30
    assert len({(mutant.function, mutant.change) for mutant in mutants}) == len(mutants)
    assert len({mutant.text for mutant in mutants} | {source}) == len(mutants) + 1
    for mutant in mutants:
        assert mutant.text.count("\n") == source.count("\n")
        compile(mutant.text, module, "exec")
