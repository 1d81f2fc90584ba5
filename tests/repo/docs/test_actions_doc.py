"""The pages on corporate actions and listings tell what the code has."""

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.actions.store import Origin
from kaboom.market.action import ActionState
from kaboom.market_data.schemas import ListedSymbol
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.repo.repository import load_text

FORMAT = load_text("docs/reference/bar-store-format.md")
LAYOUT = load_text("docs/reference/influxdb-layout.md")


def test_every_state_is_listed_and_whether_it_is_applied() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", load_text("docs/how-to/adjust-for-splits.md"), re.MULTILINE)
    assert rows == [(state.value, "yes" if state.is_applied else "no") for state in ActionState]


def test_both_layouts_name_every_origin_and_state() -> None:
    for page in (FORMAT, LAYOUT):
        text = page.replace("\n", " ")
        for words in (Origin, ActionState):
            assert ", ".join(f"`{word.value}`" for word in words) in text


def test_the_documented_columns_are_the_real_ones(tmp_path: Path) -> None:
    asyncio.run(SqliteActionStore(tmp_path).save("synthetic", note("7203", date(2025, 11, 4))))
    with closing(sqlite3.connect(tmp_path / "synthetic" / "actions.sqlite")) as sql:
        columns = [row[1] for row in sql.execute("PRAGMA table_info(note)")]
    section = FORMAT.split("`actions.sqlite` has the table `note`")[1].split("Cash dividends")[0]
    assert [name for name in re.findall(r"`(\w+)`", section) if name in columns] == columns


def test_the_columns_of_a_listings_validity_are_listed() -> None:
    section = load_text("docs/reference/market-api.md").split("## Universes and listings")[1].split("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert told == list(ListedSymbol.model_fields)[-len(told) :]
