"""Every module says what it holds, and everything public says what it does; a port's methods say it once."""

import ast
from collections.abc import Iterable, Iterator

from tests.fixtures.repo.repository import load_modules

type Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

#: A protocol of one common method name is no port: every class with connections has a `close`.
NOT_PORTS = {"Closable"}


def base_names(node: ast.ClassDef) -> set[str]:
    """Return the names of the classes that a class is derived from."""
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return {base.id for base in bases if isinstance(base, ast.Name)}


def public_methods(node: ast.ClassDef) -> set[str]:
    """Return the names of the public methods that a class defines itself."""
    return {
        each.name
        for each in node.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith("_")
    }


def find_ports(trees: Iterable[ast.Module]) -> list[set[str]]:
    """Return the methods of each port: a Protocol whose methods carry the documentation."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = (public_methods(n) for n in classes if "Protocol" in base_names(n) and n.name not in NOT_PORTS)
    return [methods for methods in found if methods]


def methods_of_ports(node: ast.ClassDef, ports: Iterable[set[str]]) -> set[str]:
    """Return the methods by which a class implements ports: it defines all the methods of each."""
    if "Protocol" in base_names(node):
        return set()
    # A property of a port may be a plain attribute, of the object or of the class.
    stored = {
        each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
    }
    assigned = (target for each in node.body if isinstance(each, ast.Assign) for target in each.targets)
    own = public_methods(node) | stored | {target.id for target in assigned if isinstance(target, ast.Name)}
    return set().union(*(methods for methods in ports if methods <= own))


def public_nodes(
    body: list[ast.stmt], ports: Iterable[set[str]], prefix: str = "", skip: Iterable[str] = ()
) -> Iterator[tuple[str, Documented]]:
    """Yield the public classes and functions of a module or class; not nested functions, nor methods of ports."""
    for node in body:
        if not isinstance(node, Documented.__value__) or node.name.startswith("_") or node.name in skip:
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_nodes(node.body, ports, f"{prefix}{node.name}.", methods_of_ports(node, ports))


def test_every_module_says_what_lives_in_it() -> None:
    modules = [m for folder in ("api", "benchmarks", "src", "tests") for m in load_modules(folder)]
    assert [m.name for m in modules if not ast.get_docstring(m.tree)] == []


def test_everything_public_says_what_it_does() -> None:
    modules = load_modules("src/kaboom")
    ports = find_ports(module.tree for module in modules)
    bare = [
        f"{module.name}:{node.lineno} {name}"
        for module in modules
        if "migrations/versions" not in module.name
        for name, node in public_nodes(module.tree.body, ports)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_the_search_finds_what_is_bare() -> None:
    source = (
        "class A:\n    def f(self): ...\n    def _g(self): ...\nclass _B:\n    def h(self): ...\nasync def i(): ..."
    )
    assert [name for name, _ in public_nodes(ast.parse(source).body, [])] == ["A", "A.f", "i"]


def test_only_the_port_documents_its_methods() -> None:
    source = (
        "class Port(Protocol):\n    def f(self): ...\n    def g(self): ...\n"
        "class Whole:\n    def f(self): ...\n    def g(self): ...\n    def h(self): ...\n"
        "class Half:\n    def f(self): ...\n"
    )
    tree = ast.parse(source)
    names = [name for name, _ in public_nodes(tree.body, find_ports([tree]))]
    assert names == ["Port", "Port.f", "Port.g", "Whole", "Whole.h", "Half", "Half.f"]
