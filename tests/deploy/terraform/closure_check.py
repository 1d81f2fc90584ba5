"""References closed: what is used is declared, and what is declared is used."""

from collections import Counter
from collections.abc import Iterator

from tests.deploy.terraform.hcl import (
    Block,
    Module,
    Node,
    bound_names,
    functions,
    has_heredoc,
    references,
)
from tests.deploy.terraform.provider_schema import ProviderSchema

#: Terraform's functions that these files use. A new one is added here once its spelling was looked up.
_FUNCTIONS = frozenset({
    "can", "concat", "contains", "file", "flatten", "join", "length", "merge", "one", "regex", "regexall", "replace",
    "sha256", "split", "substr", "templatefile", "tonumber", "toset", "tostring", "yamldecode",
})  # fmt: skip
_TYPES = frozenset({"list", "map", "object", "optional", "set", "tuple"})
_WORDS = {
    "variable": {"type", "description", "default", "nullable", "sensitive", "ephemeral"},
    "output": {"value", "description", "sensitive", "ephemeral", "depends_on"},
    "validation": {"condition", "error_message"},
}
_LOOPS = {"each": "for_each", "count": "count"}
type Chain = tuple[str, ...]


def find_closure_faults(module: Module, schema: ProviderSchema) -> Iterator[str]:
    """Yield what a folder refers to and does not declare, declares and does not use, or does not say as it should."""
    uses = list(_uses(module))
    for block, chain in uses:
        if fault := _fault_of(block, chain, module, schema):
            yield f"{block.name}: {fault}"
    used = {".".join(chain[:2]) for block, chain in uses if (block.type, chain[1:2]) != ("variable", block.labels[:1])}
    for address in module.declared:
        if address.startswith(("var.", "local.")) and address not in used:
            yield f"nobody uses {address}"
    named = Counter(b.name for b in module.blocks if b.type in {"resource", "data", "variable", "output"})
    yield from (f"{name} is declared twice" for name, count in named.items() if count > 1)
    for block in module.blocks:
        yield from (f"{block.name}: {fault}" for fault in _check_words(block))


def _uses(module: Module) -> Iterator[tuple[Block, Chain]]:
    """Yield each reference, and the block of the file that it stands in."""
    for block in module.blocks:
        for expression in _expressions(block):
            yield from ((block, chain) for chain in references(expression))


def _expressions(block: Block) -> Iterator[Node]:
    for inner in block.nested():
        # What is ignored is named from inside of the resource, by arguments that the schema knows.
        yield from (value for name, value in inner.arguments.items() if name != "ignore_changes")


def _fault_of(block: Block, chain: Chain, module: Module, schema: ProviderSchema) -> str | None:
    root, length = chain[0], 3 if chain[0] == "data" else 2
    if root in {"path", "terraform", "self"} or root in _bound_in(block):
        return None
    if root in _LOOPS:
        return None if _LOOPS[root] in block.arguments else f"{root} is used without {_LOOPS[root]}"
    address = ".".join(chain[:length])
    if address not in module.declared:
        return f"{address} is not declared"
    if root.startswith("google_") or root == "data":
        type_ = ".".join(chain[: length - 1])
        known = schema.resources[type_].attributes if type_ in schema.resources else frozenset()
        if chain[length:] and chain[length] not in known:
            return f"{type_} has no attribute {chain[length]}"
    return None


def _bound_in(block: Block) -> set[str]:
    """Return the names that only a block knows: those of its `for` expressions and `dynamic` blocks."""
    dynamic = {inner.labels[0] for inner in block.nested() if inner.type == "dynamic"}
    return dynamic | {name for expression in _expressions(block) for name in bound_names(expression)}


def _check_words(block: Block) -> Iterator[str]:
    for inner in block.nested():
        if inner.type in _WORDS:
            yield from (f"there is no argument {name}" for name in sorted(set(inner.arguments) - _WORDS[inner.type]))
    for expression in _expressions(block):
        yield from (f"{name}() is no function" for name in functions(expression) if name not in _FUNCTIONS | _TYPES)
        if has_heredoc(expression):
            yield "a heredoc hides its references: put the text into a file, and ask templatefile() for it"
