"""The image, built once for the lane."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.repo.containers import ABSENT, Podman, find_missing
from tests.fixtures.repo.repository import ROOT
from tests.fixtures.repo.stand_in_base import CHANGES, stand_in_base

_BASE = "localhost/stand-in"
_IMAGE = "localhost/kaboom:lane"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the time that a build takes on a busy machine: the first one waits for it."""
    for item in items:
        item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """A Podman that owns nothing yet."""
    missing = find_missing()
    assert not missing, ABSENT.format(missing=", ".join(missing))
    podman = Podman(Path(tempfile.mkdtemp(prefix="kaboom-image-", dir="/tmp")))
    yield podman
    podman.clear()


@pytest.fixture(scope="session")
def base(podman: Podman) -> str:
    """The stand-in for the official Python image, by its digest."""
    podman.call("import", "--quiet", *CHANGES, str(stand_in_base()), f"{_BASE}:latest")
    return f"{_BASE}@{podman.call('images', '--format={{.Digest}}', _BASE)}"


@pytest.fixture(scope="session")
def release() -> str:
    """The commit that the image says it is made of."""
    return "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def image(podman: Podman, base: str, release: str) -> str:
    """The image of this checkout."""
    done = podman.build(ROOT, ROOT / "api/Dockerfile", tag=_IMAGE, BASE_IMAGE=base, RELEASE=release)
    assert done.code == 0, f"{done.out[-4000:]}\n{done.err[-4000:]}"
    return _IMAGE
