"""`infra/deploy/render.sh` replaces what is listed, refuses the rest by name, and prints nothing half done."""

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rules.manifests import (
    ALL,
    RENDER,
    containers,
    leaves,
    listed_variables,
    parse,
    render,
    render_with,
    run_render,
    sample_values,
)
from tests.fixtures.repo.repository import ROOT, load_text

#: What YAML of one version or another takes for something else than text, where it stands without quotes.
TREACHEROUS = ("1234567", "12e4567", "0x1f", "0o17", "true", "null", "2026-11-26", "1_000", "10:20")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def used_by(name: str) -> set[str]:
    return set(_VARIABLE.findall(load_text(f"api/{name}")))


def unquoted(text: str) -> list[str]:
    """Lines on which a variable stands outside of quotes."""
    lines = [line for line in text.splitlines() if "${" in line and not line.lstrip().startswith("#")]
    # The autoscaler's bounds are numbers.
    lines = [line for line in lines if "ReplicaCount: ${WORKER_M" not in line]
    value = re.compile(r"""^[\w ./-]*: (?:"[^"]*"|'[^']*')$""")
    return [line for line in lines if not value.fullmatch(line)]


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_left_to_replace(name: str) -> None:
    assert "$" not in render(name)


def test_the_list_is_what_the_manifests_hold() -> None:
    assert {variable for name in ALL for variable in used_by(name)} == set(listed_variables())
    assert set(sample_values()) == set(listed_variables())


def test_the_page_explains_the_list() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?) \|", load_text("docs/operations/manifests.md"), re.MULTILINE)
    explained = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    versions = {name for name in listed_variables() if name.startswith("VERSION_")}
    assert sorted(explained) == sorted(set(listed_variables()) - versions)


@pytest.mark.parametrize("first", [0, 4])
@pytest.mark.parametrize("name", ALL)
def test_what_is_replaced_stays_text(name: str, first: int) -> None:
    treacherous = itertools.islice(itertools.cycle(TREACHEROUS), first, None)
    values = dict(zip(listed_variables(), treacherous, strict=False))
    rendered = dict(leaves(parse(render_with(name, values))))
    template = dict(leaves(parse(load_text(f"api/{name}"))))
    wrong = {
        path: rendered[path]
        for path, text in template.items()
        if isinstance(text, str)
        and "${" in text
        and "ReplicaCount" not in path
        and rendered[path] != _VARIABLE.sub(lambda found: values[found[1]], text)
    }
    assert wrong == {}
    assert {path for path, text in template.items() if not isinstance(text, str) and text != rendered[path]} == set()


@pytest.mark.parametrize("name", ALL)
def test_every_variable_stands_in_quotes(name: str) -> None:
    assert unquoted(load_text(f"api/{name}")) == []


@pytest.mark.parametrize("line", ["a: ${A}", "a: x-${A}", 'a: "x"-${A}', "- ${A}", 'a: "${A}', "a: ${A} # why"])
def test_a_variable_without_quotes_is_seen(line: str) -> None:
    assert unquoted(f"x: 1\n  {line}\n") == [f"  {line}"]


@pytest.mark.parametrize(
    ("template", "values", "fault"),
    [
        ('a: "${PROJECT_ID}"', {}, "PROJECT_ID is not set"),
        ('a: "${PROJECT_ID}"', {"PROJECT_ID": ""}, "PROJECT_ID is empty"),
        ('a: "${SECRET_PREFIX}x"', {}, "SECRET_PREFIX is not set"),
        ('a: "${PROJEKT}"', {"PROJEKT": "x"}, "PROJEKT is not in infra/deploy/variables"),
        ('a: "$HOME"', {"HOME": "/x"}, "HOME is not in infra/deploy/variables"),
        ('a: "${REGION:-x}"', {"REGION": "r"}, "these lines are not replaced: 1:"),
        ('a: "${REGION}"', {"REGION": 'x" b: "y'}, "REGION holds more than"),
        ('a: "${REGION}"', {"REGION": "x\ny"}, "REGION holds more than"),
        ('a: "${REGION}"', {"REGION": "x\\"}, "REGION holds more than"),
        ('a: "${REGION}"', {"REGION": "${RELEASE}"}, "REGION holds more than"),
        ('a: "${REGION}"', {"REGION": "日本"}, "REGION holds more than"),
    ],
)
def test_a_fault_is_named_and_nothing_printed(
    template: str, values: dict[str, str], fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(f"{template}\n")
    done = run_render(str(path), values)
    assert (done.returncode, done.stdout) == (1, "")
    assert fault in done.stderr


def test_all_faults_are_named_at_once() -> None:
    values = sample_values() | {"REGION": "", "RELEASE": "a b"}
    del values["VERSION_REDIS_CA"]
    done = run_render(str(ROOT / "api/smoke-job.yaml"), values)
    assert [line.split(": ", 2)[2] for line in done.stderr.splitlines()] == [
        "REGION is empty",
        "RELEASE holds more than letters, digits and . _ / : @ -",
        "VERSION_REDIS_CA is not set",
    ]


@pytest.mark.parametrize("name", ["api-service.yaml", "celery-worker-service.yaml", "celery-worker-pool.yaml"])
def test_a_secret_that_is_not_there_is_left_out(name: str) -> None:
    whole = load_rendered(name)
    without = load_rendered(name, VERSION_JQUANTS_API_KEY="")
    (gone,) = [entry for entry in whole["env"] if entry not in without["env"]]
    assert gone["name"] == "JQUANTS_API_KEY"
    assert without == {**whole, "env": [entry for entry in whole["env"] if entry != gone]}


def load_rendered(name: str, **values: str) -> dict[str, Any]:
    """Return the first container of a rendered manifest."""
    container: dict[str, Any] = containers(parse(render_with(name, sample_values() | values)))[0]
    return container


def test_a_secret_that_must_be_there_is_not_left_out() -> None:
    done = run_render(str(ROOT / "api/smoke-job.yaml"), sample_values() | {"VERSION_REDIS_URL": ""})
    assert (done.returncode, done.stdout) == (1, "")
    assert "VERSION_REDIS_URL is empty" in done.stderr


def test_production_has_no_prefix() -> None:
    assert 'name: "redis-url"' in render_with("smoke-job.yaml", sample_values() | {"SECRET_PREFIX": ""})


def test_what_a_manifest_does_not_hold_need_not_be_set() -> None:
    values = {name: value for name, value in sample_values().items() if name in used_by("migrate-job.yaml")}
    assert render_with("migrate-job.yaml", values)


def test_a_manifest_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = run_render(str(tmp_path / "none.yaml"), {})
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2", "a:\n  b: 1\n  c: 2\n  b: 3", "- {x: 1, x: 1}", "a: {b: 1}\nc: 1\na: 2"]
)
def test_a_key_that_stands_twice_is_an_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="stands twice"):
        parse(text)


def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "shellcheck"), str(RENDER)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
