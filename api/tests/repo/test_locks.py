"""The locks pin everything with hashes, agree with each other and with pyproject.toml, and name no host."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.fixtures.repository import ROOT, find_files, load_text

LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT: dict[str, Any] = tomllib.loads(load_text("pyproject.toml"))
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
EMBEDDED: list[str] = PROJECT["project"]["optional-dependencies"]["embedded"]
DEV: list[str] = PROJECT["dependency-groups"]["dev"]


def pins(lock: str) -> dict[str, str]:
    """Name → version."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", load_text(lock), re.MULTILINE))


def unmet(requirements: list[str], lock: str) -> list[str]:
    """Return the requirements that a lock does not meet."""
    pinned, wanted = pins(lock), [Requirement(text) for text in requirements]
    return [str(r) for r in wanted if not _meets(pinned.get(canonicalize_name(r.name)), r)]


def _meets(version: str | None, requirement: Requirement) -> bool:
    return version is not None and Version(version) in requirement.specifier


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock: str) -> None:
    assert re.findall(r".*(?:://|index-url|find-links|trusted-host).*", load_text(lock)) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_its_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", load_text(lock), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > 20
    assert [entry.split("==")[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


@pytest.mark.parametrize(
    ("requirements", "lock"),
    [(RUNTIME, "requirements.lock"), ([*RUNTIME, *EMBEDDED, *DEV], "requirements-dev.lock")],
    ids=LOCKS,
)
def test_a_lock_meets_the_project(requirements: list[str], lock: str) -> None:
    assert unmet(requirements, lock) == [], "run `make lock`"


def test_development_runs_on_what_production_runs_on() -> None:
    runtime, dev = (pins(lock) for lock in LOCKS)
    assert {name: (v, dev.get(name)) for name, v in runtime.items() if dev.get(name) != v} == {}


def test_production_carries_no_embedded_server() -> None:
    names = {canonicalize_name(Requirement(text).name) for text in (*EMBEDDED, *DEV)}
    shared = {canonicalize_name(Requirement(text).name) for text in RUNTIME}
    assert (names - shared) & set(pins("requirements.lock")) == set()


def test_uv_lock_stays_out_of_the_repository() -> None:
    assert "uv.lock" in load_text(".gitignore").split()
    assert ROOT / "uv.lock" not in find_files() or not (ROOT / ".git").exists()
