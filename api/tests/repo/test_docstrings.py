"""Every module says what lives in it, and everything public says what it does."""

import ast
from collections.abc import Iterator

from tests.fixtures.repo.repository import load_modules

type Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_nodes(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """Yield the public classes and functions of a module or class; not what is nested in a function."""
    for node in body:
        if not isinstance(node, Documented.__value__) or node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_nodes(node.body, f"{prefix}{node.name}.")


def test_every_module_says_what_lives_in_it() -> None:
    modules = [m for folder in ("api", "benchmarks") for m in load_modules(folder)]
    assert [m.name for m in modules if not ast.get_docstring(m.tree)] == []


def test_everything_public_says_what_it_does() -> None:
    bare = [
        f"{module.name}:{node.lineno} {name}"
        for ring in ("api/app", "api/batch")
        for module in load_modules(ring)
        if "migrations/versions" not in module.name
        for name, node in public_nodes(module.tree.body)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_the_search_finds_what_is_bare() -> None:
    source = (
        "class A:\n    def f(self): ...\n    def _g(self): ...\nclass _B:\n    def h(self): ...\nasync def i(): ..."
    )
    assert [name for name, _ in public_nodes(ast.parse(source).body)] == ["A", "A.f", "i"]
