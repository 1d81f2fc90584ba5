"""The environment variables that the code reads, those of `.env.example` and those of the docs are the same."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from kaboom.settings import AppSettings
from tests.fixtures.repo.compose_files import names_in
from tests.fixtures.repo.repository import load_modules, load_text

#: The system's own, read to choose a language.
_OF_THE_SYSTEM = {"LANG", "LC_ALL", "SUDO_UID"}
_ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]+)` \| (.*?) \|", re.MULTILINE)


def settings_defaults() -> dict[str, Any]:
    """Name → default, of the settings classes."""
    return {str(field.validation_alias): field.default for field in AppSettings.model_fields.values()}


def names_read_elsewhere() -> set[str]:
    """Names that `os.environ` is asked for, or that an option falls back to."""
    return {name for module in load_modules("src/kaboom") for name in _names_in(module.tree)}


def _names_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        asked: ast.expr | None = None
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"os.environ.get", "os.environ.setdefault"}:
            asked = node.args[0]
        if isinstance(node, ast.keyword) and node.arg == "envvar":
            asked = node.value
        if isinstance(asked, ast.Constant):
            yield str(asked.value)


def names_read() -> set[str]:
    literal = {name for name in names_read_elsewhere() if name.isupper()}
    return (literal | set(settings_defaults())) - _OF_THE_SYSTEM


def documented() -> dict[str, str]:
    """Name → default as the reference page writes it."""
    return dict(_ROW.findall(load_text("docs/reference/settings.md")))


def test_the_reference_page_names_what_is_read() -> None:
    assert names_read() - documented().keys() == set(), "give each a row in docs/reference/settings.md"
    assert documented().keys() - names_read() == set(), "nothing reads these rows of docs/reference/settings.md"


def test_the_example_file_names_what_is_read() -> None:
    named = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", load_text(".env.example"), re.MULTILINE)
    read = names_read() | names_in(load_text("compose.yaml"))
    assert read - set(named) == set(), "give each a line in .env.example"
    assert sorted(named) == sorted(read), "a line of .env.example is there twice, or nothing reads it"


def test_the_reference_page_tells_the_defaults() -> None:
    written = documented()
    wrong = {
        name: (written[name], default)
        for name, default in settings_defaults().items()
        if name in written and written[name] != _as_written(default)
    }
    assert wrong == {}, "correct these defaults in docs/reference/settings.md; the code has the second of each pair"


def test_no_secret_has_a_default() -> None:
    fields = AppSettings.model_fields.values()
    secrets = [str(f.validation_alias) for f in fields if "SecretStr" in str(f.annotation) and f.default is not None]
    assert secrets == []


def _as_written(default: Any) -> str:
    if default is None or default is PydanticUndefined:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_reference_page_tells_the_bounds() -> None:
    rows = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| (.*)$", load_text("docs/reference/settings.md"), re.MULTILINE))
    untold = {
        name: bound
        for field in AppSettings.model_fields.values()
        for bound in (getattr(each, "le", None) for each in field.metadata)
        # Every port has the same bound.
        if bound not in {None, 65535} and (name := str(field.validation_alias)) in rows
        if f"{int(bound):,}" not in rows[name]
    }
    assert untold == {}, "say in docs/reference/settings.md that these are at most this"
