"""A pipeline declared in YAML: its values, and the line of each, for messages."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kaboom.cli.exits import CliError, Exit
from kaboom.errors import Problem


class _Loader(yaml.SafeLoader):
    """Reads YAML as 1.2 does: `on` and `yes` are texts, and a day is one, too. An alias could hold itself."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError("an alias is not allowed here", mark)
        return super().compose_node(parent, index)


_KEPT = {"null", "int", "float"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in _KEPT]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """The values of a file, and the line of each by its JSON pointer."""

    name: str
    values: dict[str, Any]
    lines: Mapping[str, int]

    def describe(self, error: CliError) -> str:
        """Return the faults that the server found, each with its line; empty if the error is another."""
        cause = error.__cause__ and error.__cause__.__cause__
        faults = cause.said.get("errors", ()) if isinstance(cause, Problem) and cause.said else ()
        return "\n".join(f"{self.name}:{self._line_of(fault['pointer'])}: {fault['detail']}" for fault in faults)

    def _line_of(self, pointer: str) -> int:
        place = pointer.removeprefix("#")
        while place and place not in self.lines:
            place = place.rpartition("/")[0]
        return self.lines.get(place, 1)


def read_pipeline(file: Path) -> PipelineFile:
    """Read a file, or stdin.

    Raises:
        CliError: it cannot be read, or is not a mapping in YAML.

    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            values = loader.construct_document(node) if node else None
        finally:
            loader.dispose()
    except (OSError, UnicodeDecodeError) as e:
        raise CliError(Exit.USAGE, f"{file}: {e}") from e
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise CliError(Exit.USAGE, f"{file}: {' '.join(str(e).split())}") from e
    if node is None or not isinstance(values, dict):
        raise CliError(Exit.USAGE, f"{file}: expected a mapping with a name and steps")
    lines: dict[str, int] = {}
    _note_lines(node, "", lines)
    return PipelineFile(str(file), _with_texts(values), lines)


def _note_lines(node: yaml.Node, place: str, lines: dict[str, int]) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[f"{place}/{key.value}"] = key.start_mark.line + 1
            _note_lines(value, f"{place}/{key.value}", lines)
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            _note_lines(value, f"{place}/{n}", lines)


def _with_texts(value: Any) -> Any:
    """Return JSON: YAML has keys that are no texts."""
    if isinstance(value, dict):
        return {str(name): _with_texts(each) for name, each in value.items()}
    return [_with_texts(each) for each in value] if isinstance(value, list) else value
