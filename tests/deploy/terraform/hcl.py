"""Terraform files as blocks, arguments and expressions: python-hcl2's syntax tree, with names for what we ask of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import hcl2

#: A node of lark's tree, or a token, which is a string.
type Node = Any


@dataclass(frozen=True)
class Block:
    """`type "label" … { … }`."""

    type: str
    labels: tuple[str, ...]
    arguments: dict[str, Node]
    blocks: tuple["Block", ...]

    @property
    def name(self) -> str:
        """The address of it, such as `google_redis_instance.this`."""
        return ".".join(self.labels) if self.type == "resource" else ".".join((self.type, *self.labels))

    def all(self, type_: str) -> Iterator["Block"]:
        """Yield the blocks of a type in it."""
        return (block for block in self.blocks if block.type == type_)

    def nested(self) -> Iterator["Block"]:
        """Yield it and all blocks in it."""
        yield self
        for block in self.blocks:
            yield from block.nested()


@dataclass(frozen=True)
class Module:
    """A folder of Terraform files."""

    folder: Path
    blocks: tuple[Block, ...]

    def all(self, type_: str) -> Iterator[Block]:
        """Yield the blocks of a type."""
        return (block for block in self.blocks if block.type == type_)

    @cached_property
    def declared(self) -> dict[str, Block | Node]:
        """What can be referred to, by its address: `var.x`, `local.x`, `module.x`, `google_x.y`, `data.google_x.y`."""
        kinds = {"variable": "var.{}", "module": "module.{}", "resource": "{}.{}", "data": "data.{}.{}"}
        found = {kinds[b.type].format(*b.labels): b for b in self.blocks if b.type in kinds}
        return found | {f"local.{name}": value for b in self.all("locals") for name, value in b.arguments.items()}


def load_module(folder: Path) -> Module:
    """Return the module of a folder."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf"))]
    return Module(folder, tuple(block for text in texts for block in parse_blocks(text)))


@cache
def parse_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of a file."""
    return _body(hcl2.parses_to_tree(text).children[0]).blocks


def _body(tree: Node, type_: str = "", labels: tuple[str, ...] = ()) -> Block:
    arguments, blocks = {}, []
    for node in tree.children:
        if _kind(node) == "attribute":
            name, _, value = node.children
            arguments[_token(name)] = value
        elif _kind(node) == "block":
            head = [child for child in node.children if _kind(child) in {"identifier", "string"}]
            body = next(child for child in node.children if _kind(child) == "body")
            blocks.append(_body(body, _token(head[0]), tuple(as_text(h) or _token(h) for h in head[1:])))
    return Block(type_, labels, arguments, tuple(blocks))


def literal_type(expression: Node) -> str | None:
    """Return string, number, bool, null, list or map; None for what is known only when it is evaluated."""
    kind = _kind(expression)
    if kind == "expr_term" and len(expression.children) == 1:
        return literal_type(expression.children[0])
    if kind == "unary_op" and _token(expression) == "-":
        return literal_type(expression.children[-1])
    if kind == "literal_value":
        return "null" if _token(expression) == "null" else "bool"
    if kind in {"object", "for_object_expr"}:
        return "map"
    if kind in {"tuple", "for_tuple_expr"}:
        return "list"
    return {"string": "string", "int_lit": "number", "float_lit": "number"}.get(kind)


def as_text(expression: Node) -> str | None:
    """Return the text of a string without interpolation, None for any other expression."""
    if _kind(expression) == "expr_term" and len(expression.children) == 1:
        return as_text(expression.children[0])
    if _kind(expression) != "string":
        return None
    parts = [part.children[0] for part in expression.children if _kind(part) == "string_part"]
    return None if any(_kind(part) == "interpolation" for part in parts) else "".join(str(part) for part in parts)


def as_names(expression: Node) -> list[str]:
    """Return the elements of a list of names or addresses, such as `[template, client]`."""
    while _kind(expression) == "expr_term":
        (expression,) = expression.children
    elements = [e for e in expression.children if _kind(e) in {"expr_term", "get_attr_expr_term"}]
    return [".".join(_chain(e)) for e in elements]


def keys_of(expression: Node) -> list[str]:
    """Return the literal keys of an object, at its first level."""
    while _kind(expression) == "expr_term" and len(expression.children) == 1:
        (expression,) = expression.children
    keys = [e.children[0].children[0] for e in expression.children if _kind(e) == "object_elem"]
    return [as_text(key) or ".".join(_chain(key)) for key in keys]


def as_type(variable: Block) -> str | None:
    """Return string, number, bool, list or map of the type of a variable."""
    type_ = variable.arguments.get("type")
    if type_ is None:
        return None
    word = next(functions(type_), None) or _token(type_)
    return {"object": "map", "set": "list", "tuple": "list"}.get(word, word)


def references(node: Node) -> Iterator[tuple[str, ...]]:
    """Yield what an expression refers to, each as far as it is written: `("google_x", "y", "name")`."""
    chain = _chain(node)
    if len(chain) > 1:
        yield tuple(chain)
        for index in _indices(node):
            yield from references(index)
        return
    for child in _children(node):
        yield from references(child)


def bound_names(node: Node) -> Iterator[str]:
    """Yield the names that the `for` expressions of an expression bind."""
    if _kind(node) == "for_intro":
        yield from (_token(child) for child in _children(node) if _kind(child) == "identifier")
    for child in _children(node):
        yield from bound_names(child)


def functions(node: Node) -> Iterator[str]:
    """Yield the names of the functions that an expression calls."""
    if _kind(node) == "function_call":
        yield _token(node)
    for child in _children(node):
        yield from functions(child)


def has_heredoc(node: Node) -> bool:
    """Tell whether an expression holds a heredoc, which the parser leaves as one token."""
    return _kind(node).startswith("heredoc") or any(has_heredoc(child) for child in _children(node))


def _chain(node: Node) -> list[str]:
    kind, children = _kind(node), _children(node)
    if kind == "expr_term" and len(children) == 1:
        return _chain(children[0])
    if kind == "identifier":
        return [_token(node)]
    if kind in {"get_attr_expr_term", "full_splat_expr_term", "attr_splat_expr_term", "index_expr_term"}:
        chain = _chain(children[0])
        return chain and chain + [name for child in children[1:] for name in _attributes(child)]
    return []


def _attributes(node: Node) -> Iterator[str]:
    """Yield the names in what follows a base: `.a`, `[*].a.b`; none in `[0]`."""
    if _kind(node) == "get_attr":
        yield _token(node.children[-1])
    elif "splat" in _kind(node):
        for child in _children(node):
            yield from _attributes(child)


def _indices(node: Node) -> Iterator[Node]:
    for child in _children(node):
        if _kind(child) == "braces_index":
            yield child
        else:
            yield from _indices(child)


def _children(node: Node) -> list[Node]:
    return list(getattr(node, "children", ()))


def _kind(node: Node) -> str:
    return str(getattr(node, "data", ""))


def _token(node: Node) -> str:
    while hasattr(node, "children"):
        node = node.children[0]
    return str(node).strip()
