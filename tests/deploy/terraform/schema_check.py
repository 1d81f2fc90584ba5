"""Blocks held against the provider's schema: unknown, missing, of the wrong kind, type or value."""

from collections.abc import Iterator
from pathlib import Path

from tests.deploy.terraform.hcl import Block, Module, Node, as_names, as_text, keys_of, literal_type, parse_blocks
from tests.deploy.terraform.provider_schema import BlockSchema, ProviderSchema

_META_ARGUMENTS = {"count", "for_each", "provider", "depends_on"}
_LIFECYCLE = {"create_before_destroy", "prevent_destroy", "ignore_changes", "replace_triggered_by"}
_OF_THE_ROOT = {"required_version"}


def find_schema_faults(module: Module, schema: ProviderSchema) -> Iterator[str]:
    """Yield what `terraform validate` would say of a module's resources, as far as the schema tells."""
    for block in module.blocks:
        if block.type in {"resource", "data"}:
            type_ = block.labels[0] if block.type == "resource" else f"data.{block.labels[0]}"
            if type_ not in schema.resources:
                yield f"{block.name}: the provider has no {type_}"
                continue
            known = schema.resources[type_].block
            yield from _check_lifecycle(block, known)
            yield from _check(_without_meta(block), known, block.name)
        elif block.type == "provider":
            yield from _check(block, schema.provider, block.name)
        elif block.type == "terraform":
            yield from _check_terraform(block, schema.version)


def find_lock_faults(path: Path, version: str) -> Iterator[str]:
    """Yield why `terraform init` would not choose the provider that the schema is of."""
    locked = {block.labels: block for block in parse_blocks(path.read_text(encoding="utf-8"))}
    if set(locked) != {("registry.terraform.io/hashicorp/google",)}:
        yield f"{path.name}: locks {sorted(locked)}"
    wanted = {"version": version, "constraints": f"~> {version.rsplit('.', 1)[0]}"}
    for block in locked.values():
        said = {name: as_text(value) for name, value in block.arguments.items() if name in wanted}
        if said != wanted:
            yield f"{path.name}: {said}, expected {wanted}"


def _without_meta(block: Block) -> Block:
    arguments = {name: value for name, value in block.arguments.items() if name not in _META_ARGUMENTS}
    return Block(block.type, block.labels, arguments, tuple(b for b in block.blocks if b.type != "lifecycle"))


def _check(block: Block, schema: BlockSchema, at: str) -> Iterator[str]:
    for name, value in block.arguments.items():
        if name in schema.blocks:
            yield f"{at}: {name} is a block, not an argument"
        elif name not in schema.arguments:
            yield f"{at}: there is no argument {name}"
        else:
            yield from _check_value(value, schema, f"{at}: {name}")
    yield from (
        f"{at}: {name} is required"
        for name, argument in schema.arguments.items()
        if argument.required and name not in block.arguments
    )
    yield from _check_blocks(block, schema, at)


def _check_value(value: Node, schema: BlockSchema, at: str) -> Iterator[str]:
    argument = schema.arguments[at.rsplit(" ", 1)[-1]]
    given = literal_type(value)
    if given and given not in {argument.type, "null"} and argument.type != "any":
        yield f"{at} is a {argument.type}, not a {given}"
    text = as_text(value)
    if text is not None and argument.values and text not in argument.values:
        yield f"{at} is one of {', '.join(argument.values)}, not {text}"
    if given == "map":
        keys = keys_of(value)
        yield from (f"{at} says {key} twice" for key in sorted({k for k in keys if keys.count(k) > 1}))


def _check_blocks(block: Block, schema: BlockSchema, at: str) -> Iterator[str]:
    inner = [b if b.type != "dynamic" else _content(b) for b in block.blocks]
    for b in inner:
        if b.type in schema.arguments:
            yield f"{at}: {b.type} is an argument, not a block"
        elif b.type not in schema.blocks:
            yield f"{at}: there is no block {b.type}"
        elif b.labels:
            yield f"{at}: {b.type} has no label"
        else:
            yield from _check(b, schema.blocks[b.type].schema, f"{at}: {b.type}")
    for name, nested in schema.blocks.items():
        count = sum(b.type == name for b in inner)
        if nested.required and not count:
            yield f"{at}: the block {name} is required"
        if count > 1 and not nested.repeats:
            yield f"{at}: there is one block {name}, not {count}"


def _content(dynamic: Block) -> Block:
    content = next(dynamic.all("content"), Block("content", (), {}, ()))
    return Block(dynamic.labels[0], (), content.arguments, content.blocks)


def _check_lifecycle(block: Block, schema: BlockSchema) -> Iterator[str]:
    for lifecycle in block.all("lifecycle"):
        yield from (f"{block.name}: lifecycle has no {name}" for name in lifecycle.arguments if name not in _LIFECYCLE)
        if ignored := lifecycle.arguments.get("ignore_changes"):
            names = {name.split(".")[0] for name in as_names(ignored)}
            for name in sorted(names - set(schema.arguments) - set(schema.blocks)):
                yield f"{block.name}: ignore_changes names {name}, which there is not"


def _check_terraform(block: Block, version: str) -> Iterator[str]:
    yield from (f"terraform: there is no argument {name}" for name in block.arguments if name not in _OF_THE_ROOT)
    pinned = f"~> {version.rsplit('.', 1)[0]}"
    for required in block.all("required_providers"):
        for name, source in required.arguments.items():
            written = str(source)
            if name != "google" or "hashicorp/google" not in written or pinned not in written:
                yield f"terraform: provider {name} is not hashicorp/google {pinned}, which the schema is of"
