"""Files and functions stay small; the caps are those of CONTRIBUTING.md."""

import ast
from collections.abc import Iterable

import pytest

from tests.fixtures.repo.repository import Module, load_modules


def function_lines(modules: Iterable[Module]) -> dict[str, int]:
    """Lines from `def` to the end, decorators left out."""
    return {
        f"{module.name}:{f.lineno} {f.name}": (f.end_lineno or f.lineno) - f.lineno + 1
        for module in modules
        for f in module.functions()
    }


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """All of them, `self` too; of a command of the command line none, since they are its options."""
    a = function.args
    parameters = [*a.posonlyargs, *a.args, *a.kwonlyargs]
    if parameters and parameters[0].annotation and ast.unparse(parameters[0].annotation) == "typer.Context":
        return 0
    return len(parameters) + (a.vararg is not None) + (a.kwarg is not None)


@pytest.mark.parametrize(("folder", "cap"), [("src/kaboom", 400), ("tests", 600)])
def test_no_file_is_over_the_cap(folder: str, cap: int) -> None:
    assert {m.name: m.lines for m in load_modules(folder) if m.lines > cap} == {}


def test_no_function_is_over_the_cap() -> None:
    everything = [module for folder in ("src/kaboom", "tests", "benchmarks") for module in load_modules(folder)]
    assert {name: n for name, n in function_lines(everything).items() if n > 60} == {}


def test_no_function_takes_more_than_six_parameters() -> None:
    over = {
        f"{module.name}:{f.lineno} {f.name}": n
        for module in load_modules("src/kaboom")
        for f in module.functions()
        if (n := count_parameters(f)) > 6
    }
    assert over == {}


def test_the_measure_sees_what_it_should() -> None:
    source = "def f(self, a, /, b, *, c, d, e):\n    pass\n\ndef g(context: typer.Context, a, b, c, d, e, f): ..."
    first, second = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    assert count_parameters(first) == 6
    assert count_parameters(second) == 0
    assert max(function_lines(load_modules("src/kaboom")).values()) > 20
