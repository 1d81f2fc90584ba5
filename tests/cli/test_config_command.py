"""`kaboom config show`: every setting by its name, and no secret."""

from typing import Any

import pytest

from kaboom.operations.settings import redact_settings
from kaboom.settings import load_settings
from tests.fixtures.cli import Kaboom
from tests.fixtures.jobs.apps import TOKEN


def test_every_setting_has_a_line_in_order(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    monkeypatch.setenv("KABOOM_SLOTS", "7")
    found: Any = kaboom("config", "show", "--json").json
    assert list(found) == list(redact_settings(load_settings()))
    lines = kaboom("config", "show").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(found)
    shown = {name: " ".join(rest) for name, *rest in (line.split() for line in lines)}
    assert (shown["KABOOM_SLOTS"], found["KABOOM_SLOTS"]) == ("7", 7)
    assert {name for name, value in found.items() if value is None} <= {name for name in shown if not shown[name]}
    assert not any(TOKEN in line for line in lines)
