"""Tables fit the terminal in both languages, and lose nothing; what is no terminal gets whole lines."""

from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.table_layout import fit
from kaboom.market_data.schemas import QuarantinePage
from kaboom.text.speaker import Speaker
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.terminal import columns_of, run_on_terminal

FILE = "年度/2024/トヨタ自動車の日足/" + "long-folder/" * 4 + "7203.csv"
(ROW,) = example_of(QuarantinePage)["items"]
PAGE: dict[str, Any] = example_of(QuarantinePage) | {"items": [ROW | {"file": FILE, "line": 17}, ROW]}


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_table_on_a_terminal_is_as_wide_as_that(
    scripted: Scripted, tmp_path: Path, columns: int, language: str
) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    env = {"KABOOM_API_URL": scripted.url, "INGEST_API_TOKEN": TOKEN}
    command = ("--lang", language, "bars", "quarantine")
    (lines,) = run_on_terminal(command, columns=columns, env=env, folder=tmp_path)
    table = lines[1:]
    assert max(map(columns_of, table)) <= columns
    shown = "".join("".join(table).split())
    assert all(text in shown for text in ("52,300", "3,142.0", "off_grid", "7203")), table
    assert not [line for line in table if "…" in line]


def test_what_is_piped_is_whole(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    lines = kaboom("bars", "quarantine").out.splitlines()
    assert len(lines) == 3
    assert f"{FILE}:17" in lines[1]


@pytest.mark.parametrize("width", [40, 80, 120, 160])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_letter_of_a_cell_is_shown_in_any_width(width: int, language: str) -> None:
    words = Speaker("ja" if language == "ja" else "en")
    names = ("job", "state", "rows", "failed", "message")
    cells = ("0123456789abcdef0123456789abcdef", "取得できませんでした", "12,345,678", "1", "x" * 90 + " 銘柄" * 30)
    table = new_table(words, *names, right={"rows", "failed"}, whole={"job"})
    add_row(table, *cells)
    add_row(table, *cells)
    console = Console(file=StringIO(), width=width)
    with console.capture() as shown:
        console.print(fit(table, console))
    assert max(map(columns_of, shown.get().splitlines())) <= width
    letters = sorted("".join(shown.get().split()))
    expected = sorted("".join("".join(cells).split()) * 2)
    for letter in set(expected):
        assert letters.count(letter) >= expected.count(letter), letter
    assert shown.get().count(cells[0]) == 2
    assert shown.get().count("12,345,678") == 2
