"""The table "Who waits for what" is true: each number is that of the code."""

import importlib
import inspect
import re
from contextlib import suppress
from typing import Any

import pytest

from kaboom.domain_settings import BatchSettings
from tests.fixtures.repo.repository import load_text

_ROW = re.compile(
    r"^\| (?P<who>[^|]+) \| [^|]+ \| (?P<number>[0-9.]+) (?P<unit>m?s) \| [^|]+ \| `(?P<name>[^`|]+)` \|$", re.MULTILINE
)
ROWS = [found.groupdict() for found in _ROW.finditer(load_text("docs/explanation/architecture.md"))]


def find(name: str) -> Any:
    """Return a constant of a module, the default of an argument of a class, or that of a setting, ours or Celery's."""
    if name.isupper():
        (field,) = (f for f in BatchSettings.model_fields.values() if f.validation_alias == name)
        return field.default
    if name.startswith("app.tasks.celery_app."):
        # Importing it needs a broker.
        (value,) = re.findall(rf"\b{name.rpartition('.')[2]}=([0-9_]+),", load_text("src/kaboom/worker/celery_app.py"))
        return int(value)
    found: Any = None
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        with suppress(ModuleNotFoundError):
            found = importlib.import_module(".".join(parts[:end]))
            break
    for attribute in parts[end:]:
        is_class = inspect.isclass(found)
        found = inspect.signature(found).parameters[attribute].default if is_class else getattr(found, attribute)
    return found


def test_the_table_has_its_rows() -> None:
    section = (
        load_text("docs/explanation/architecture.md").partition("## Who waits for what\n")[2].partition("\n## ")[0]
    )
    assert len(ROWS) == section.count("\n| ") - 1 > 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_each_wait_is_as_long_as_the_table_says(row: dict[str, str]) -> None:
    assert find(row["name"]) == float(row["number"])
    assert row["unit"] == ("ms" if row["name"].endswith("_MS") else "s")
