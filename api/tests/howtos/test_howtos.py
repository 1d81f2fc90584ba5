"""Every command block of README and the how-tos runs as printed, in order, in one shell, on a Kaboom of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.repo.command_blocks import read_blocks, write_script
from tests.fixtures.repo.repository import ROOT
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import stack

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/how-to").glob("*.md"))]
RUN = [page for page in PAGES if any(block.reason is None for block in read_blocks(page.read_text(encoding="utf-8")))]

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_every_block_of_a_page_runs(page: Path) -> None:
    with open_folder() as folder:
        # The folder stands for the clone: data and environment are where the pages have them.
        (folder / ".venv").symlink_to(sys.prefix)
        with stack(folder / ".kaboom") as up:
            script = write_script(read_blocks(page.read_text(encoding="utf-8")), up.api.url)
            env = up.env | {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"}
            done = subprocess.run(
                ["bash", "-c", script], env=env, cwd=folder, capture_output=True, text=True, timeout=400, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
