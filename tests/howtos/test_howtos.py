"""Every command block of the pages runs as printed, in order, a page in one shell, on a real Kaboom."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.repo.command_blocks import PAGES, read_blocks, write_script
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, stack

#: A Japanese page has the blocks of its English one; `repo/docs/blocks` compares them.
RUN = [p for p in PAGES if not p.endswith(".ja.md") and any(block.is_run for block in read_blocks(load_text(p)))]
#: They say how to start Kaboom with a folder of files; it has started when the page begins.
OWN_FILES = {"docs/how-to/use-your-own-files.md": "bars", "docs/tutorial/own-minutes.md": "minutes"}
#: Pages that need a running Kaboom with bars, and no state of their own, share one.
SHARED = {
    "operations": [page for page in RUN if page.startswith("docs/operations/")],
    "reference": [page for page in RUN if page.startswith(("docs/reference/", "docs/explanation/"))],
}
ALONE = [page for page in RUN if not any(page in pages for pages in SHARED.values())]
#: What the pages that share one expect, much as `make demo` leaves it.
_BARS = """
set -e
kaboom ingest run-daily --interval 1m=1 --wait
kaboom ingest run-daily --interval 1d=250 --symbol 7203 --symbol 6758 --wait
"""

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("page", ALONE, ids=lambda page: Path(page).stem)
def test_every_block_of_a_page_runs(page: str) -> None:
    with open_folder() as folder:
        data_dir = folder / ".kaboom"
        files = OWN_FILES.get(page)
        with stack(data_dir, KABOOM_FILE_DIR=files) if files else stack(data_dir) as up:
            assert run_page(up, page) == ""


@pytest.mark.parametrize("pages", SHARED.values(), ids=SHARED)
def test_every_block_of_a_folder_runs(pages: list[str]) -> None:
    with open_folder() as folder, stack(folder / ".kaboom") as up:
        assert run(up, _BARS) == ""
        assert {page: said for page in pages if (said := run_page(up, page))} == {}


def test_every_page_with_blocks_is_run() -> None:
    assert sorted([*ALONE, *(page for pages in SHARED.values() for page in pages)]) == RUN
    assert len(RUN) >= 30


def run_page(up: Stack, page: str) -> str:
    """Run the blocks of a page where a clone would be; return "", or what it printed at the end if a command failed."""
    return run(up, write_script(read_blocks(load_text(page)), up.api.url, free_port()))


def run(up: Stack, script: str) -> str:
    """Run a bash script beside the data folder; return "", or what it printed at the end if a command failed."""
    folder = up.data_dir.parent
    # The folder stands for the clone and for the home: data and environment are where the pages have them.
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(sys.prefix)
    env = up.env | {"HOME": str(folder), "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], env=env, cwd=folder, capture_output=True, text=True, timeout=400, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
