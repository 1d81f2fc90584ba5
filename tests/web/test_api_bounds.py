"""The whole API in short: every parameter and field with its type, bounds and default, as `api_bounds.txt` has it.

A line that changes is a change for callers. `KABOOM_RECORD=1 pytest tests/web/test_api_bounds.py` writes the file
again: read the difference before you keep it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaboom.main import create_app
from kaboom.settings import load_settings
from tests.fixtures.jobs.apps import TOKEN

FILE = Path(__file__).with_name("api_bounds.txt")
#: Prose, which readers judge, and examples, which are checked against the fields.
_PROSE = ("title", "description", "example", "examples", "summary")


def test_the_api_is_as_recorded() -> None:
    found = "\n".join(lines_of(create_app(load_settings(INGEST_API_TOKEN=TOKEN)).openapi())) + "\n"
    if os.environ.get("KABOOM_RECORD"):
        FILE.write_text(found)
    assert found.splitlines() == FILE.read_text().splitlines()


def lines_of(api: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each operation, parameter and field."""
    for path, item in sorted(api["paths"].items()):
        for method, about in item.items():
            answers = " ".join(code for code in about["responses"] if code < "4")
            yield f"{method.upper()} {path} -> {answers} {shorten(about.get('security', 'anybody'))}"
            for each in about.get("parameters", ()):
                is_needed = " needed" if each.get("required") else ""
                yield f"    {each['in']} {each['name']}{is_needed}: {shorten(each['schema'])}"
            if body := about.get("requestBody"):
                yield f"    body: {shorten(body['content'])}"
    for name, schema in sorted(api["components"]["schemas"].items()):
        fields, needed = schema.pop("properties", {}), schema.pop("required", ())
        yield f"{name}: {shorten(schema)}"
        for field, about in fields.items():
            yield f"    {field}{' needed' if field in needed else ''}: {shorten(about)}"


def shorten(value: Any) -> str:
    """Return a part of the description in one line, without prose."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in _PROSE}
        if list(kept) == ["$ref"]:
            return str(kept["$ref"]).rpartition("/")[2]
        return "{" + ", ".join(f"{key} {shorten(each)}" for key, each in sorted(kept.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shorten, value)) + "]"
    return str(value)
