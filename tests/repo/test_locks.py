"""The locks pin everything with hashes, agree with each other and with pyproject.toml, and name no host."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.fixtures.repo.repository import ROOT, find_files, load_text

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-deploy.lock")
PROJECT: dict[str, Any] = tomllib.loads(load_text("pyproject.toml"))
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
EMBEDDED = EXTRAS["embedded"]
#: What requirements.lock holds, which the image installs.
CLOUD = [*RUNTIME, *EXTRAS["gcp"]]
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]
DEV = [*CLOUD, *EXTRAS["otel"], *EMBEDDED, *GROUPS["dev"]]


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
    list(zip((CLOUD, DEV, [*DEV, *GROUPS["deploy"]]), LOCKS, strict=True)),
    ids=LOCKS,
)
def test_a_lock_meets_the_project(requirements: list[str], lock: str) -> None:
    assert unmet(requirements, lock) == [], "run `make lock`"


@pytest.mark.parametrize(("less", "more"), [LOCKS[:2], LOCKS[1:]])
def test_a_larger_lock_pins_what_the_smaller_one_pins(less: str, more: str) -> None:
    pinned = pins(more)
    assert {name: (v, pinned.get(name)) for name, v in pins(less).items() if pinned.get(name) != v} == {}


def test_production_carries_no_embedded_server() -> None:
    names = {canonicalize_name(Requirement(text).name) for text in (*EMBEDDED, *GROUPS["dev"])}
    # uvicorn reads YAML too.
    shared = {"pyyaml", *(canonicalize_name(Requirement(text).name) for text in CLOUD)}
    assert (names - shared) & set(pins("requirements.lock")) == set()


def test_uv_lock_stays_out_of_the_repository() -> None:
    assert "uv.lock" in load_text(".gitignore").split()
    assert ROOT / "uv.lock" not in find_files() or not (ROOT / ".git").exists()
