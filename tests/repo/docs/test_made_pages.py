"""The pages that are made of the code are those of today's code.

`KABOOM_RECORD=1 pytest tests/repo/docs/test_made_pages.py` writes them.
"""

import os

import pytest

from tests.fixtures.repo.reference_pages import MADE, list_commands
from tests.fixtures.repo.repository import ROOT


@pytest.mark.parametrize("page", MADE)
def test_a_made_page_is_of_the_code_of_today(page: str) -> None:
    path, text = ROOT / page, MADE[page]()
    if os.environ.get("KABOOM_RECORD"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, (
        "the code has changed: run KABOOM_RECORD=1 pytest tests/repo/docs/test_made_pages.py"
    )


def test_the_command_line_has_its_commands() -> None:
    names = {command.name for command in list_commands()}
    assert names >= {"kaboom up", "kaboom jobs list", "kaboom ingest run-daily", "kaboom backup", "kaboom openapi"}
    assert all(command.summary for command in list_commands())
