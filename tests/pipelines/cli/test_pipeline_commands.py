"""`kaboom pipelines` against a real API."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.cli.exits import Exit
from kaboom.pipelines.request import PipelineSpec, StartSpec, StepSpec
from tests.cli.test_commands import data
from tests.fixtures.cli import Kaboom
from tests.fixtures.repo.repository import ROOT

SMALL = """\
name: small
steps:
  - name: compact
    task: market_data.compact
    params: {keep_days: {1m: 36500}, dry_run: true}
  - name: after
    task: market_data.compact
    needs: [compact]
    on: partial
    params: {keep_days: {1m: 36500}, dry_run: true}
"""


@pytest.fixture
def small(at_live: Kaboom, tmp_path: Path) -> Iterator[Path]:
    """The file of a saved pipeline, which is gone after the test."""
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    assert at_live("pipelines", "apply", str(file)).code == 0
    yield file
    for item in data(at_live("pipelines", "show", "small", "--json"))["items"]:
        at_live("pipelines", "cancel", item["run_id"])
    at_live("pipelines", "delete", "small")


def test_a_file_is_saved_listed_and_deleted(at_live: Kaboom, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(SMALL.replace("name: small", "name: other"))
    done = at_live("pipelines", "apply", str(file))
    assert "pipeline other saved; run it with: kaboom pipelines run other" in done.err
    assert re.search(r"^other +2", at_live("pipelines", "list").out, re.MULTILINE)
    assert "its jobs stay" in at_live("pipelines", "delete", "other").err
    assert at_live("pipelines", "delete", "other").code == Exit.NOT_FOUND


def test_each_fault_of_a_file_is_named_with_its_line(at_live: Kaboom, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(SMALL.replace("[compact]", "[nobody]").replace("task: market_data.compact", "task: a.b", 1))
    done = at_live("pipelines", "apply", str(file))
    assert done.code == Exit.USAGE
    assert f"{file}:4: step compact: task was a.b, expected one of " in done.err
    assert f"{file}:8: step after needs 'nobody', which is not a step" in done.err


@pytest.mark.parametrize("text", ["", "- a", "a: [", "a: &x [*x]", "\x00"])
def test_what_is_no_pipeline_is_a_usage_error(at_live: Kaboom, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    done = at_live("pipelines", "apply", str(file))
    assert done.code != 0
    assert "Traceback" not in done.err
    assert str(file) in done.err or "pipelines" in done.err


def test_a_run_is_started_shown_and_the_same_again(at_live: Kaboom, small: Path) -> None:
    started = data(at_live("pipelines", "run", "small", "--session", "2025-11-04", "--json"))["items"][0]
    again = data(at_live("pipelines", "run", "small", "--session", "2025-11-04", "--json"))["items"][0]
    assert (started["is_new"], again["is_new"], again["run_id"]) == (True, False, started["run_id"])
    shown = at_live("pipelines", "show", started["run_id"])
    assert re.search(r"^small, session 2025-11-04: ", shown.out, re.MULTILINE)
    assert re.search(r"^after +", shown.out, re.MULTILINE)
    assert re.search(rf"^2025-11-04 +{started['run_id']}", at_live("pipelines", "show", "small").out, re.MULTILINE)
    span = data(at_live("pipelines", "run", "small", "--from", "2025-11-04", "--to", "2025-11-07", "--json"))["items"]
    assert [item["session"] for item in span] == [f"2025-11-0{n}" for n in (4, 5, 6, 7)]


@pytest.mark.parametrize("name", ["a-pipeline-with-a-name-of-32-let", "0123456789abcdef0123456789abcdef"])
def test_a_name_as_long_as_an_id_is_a_name(at_live: Kaboom, tmp_path: Path, name: str) -> None:
    assert len(name) == 32
    assert at_live("pipelines", "show", name).code == Exit.NOT_FOUND
    file = tmp_path / "long.yaml"
    file.write_text(SMALL.replace("name: small", f'name: "{name}"'))
    assert at_live("pipelines", "apply", str(file)).code == 0
    shown = at_live("pipelines", "show", name)
    assert at_live("pipelines", "delete", name).code == 0
    assert (shown.code, shown.err.strip()) == (0, "no runs yet")


def test_the_reference_names_every_field() -> None:
    page = (ROOT / "docs/reference/pipelines.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", page, flags=re.MULTILINE)
    tables = {part.partition("\n")[0]: set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) for part in parts}
    assert tables["A step"] == set(StepSpec.model_fields)
    assert tables["The start"] == set(StartSpec.model_fields)
    assert tables["# Pipelines"] == set(PipelineSpec.model_fields)
