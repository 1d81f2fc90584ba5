"""`kaboom dev new` is for clones; tests/toys tries it there."""

from pathlib import Path

import pytest

from kaboom.cli import dev
from tests.fixtures.cli import Kaboom


@pytest.mark.parametrize("kind", ["job", "provider"])
def test_outside_a_clone_it_is_refused(
    kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(dev, "_ROOT", tmp_path)
    done = kaboom("dev", "new", kind, "acme")
    assert done.code == 2
    assert done.err.startswith("kaboom: this Kaboom was installed from a package, expected a clone")


def test_the_root_is_that_of_the_clone() -> None:
    assert (dev._ROOT / "tests/toys/scaffold.py").is_file()
