"""`kaboom bars repair` and `kaboom doctor` on bars in PostgreSQL."""

from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kaboom.bars import open_postgres
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.stored_bars import DAILY, at, bar, frame
from tests.fixtures.cli import Kaboom

MONDAY = date(2025, 6, 2)
_HARM = (
    "UPDATE bar_page SET data = set_byte(data, 20, get_byte(data, 20) # 1) WHERE symbol = '7203'",
    "UPDATE bar_page SET n = n + 1 WHERE symbol = '6758'",
    "DELETE FROM bar_symbol WHERE symbol = '9984'",
)


@pytest.fixture
def damaged(kaboom: Kaboom, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """The command line on a database with a page, a header and a symbol damaged; no API runs."""
    empty_bar_tables(database_url)
    store = PostgresBarStore(BlockingDatabase(database_url, application_name="test"))
    run(store.write(DAILY, frame(*(bar(symbol, at(MONDAY)) for symbol in ("1301", "6758", "7203", "9984")))))
    run(store.close())
    with psycopg.connect(database_url) as connection:
        for statement in _HARM:
            connection.execute(statement.encode())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("KABOOM_API_URL", raising=False)
    for name in ("_store", "_actions", "_database"):
        monkeypatch.setattr(open_postgres, name, getattr(open_postgres, name).__wrapped__)
    return kaboom


def findings(kaboom: Kaboom) -> list[Any]:
    found: Any = kaboom("doctor", "--json").json
    return [(each["verdict"], each["mend"]) for each in found if each["part"] == "bar store"]


def test_damage_in_tables_is_found_repaired_and_ingested_again(damaged: Kaboom) -> None:
    assert findings(damaged) == [("fault", "kaboom bars repair")] * 3

    done = damaged("bars", "repair", "--json")

    assert done.code == 0, done.err
    report: Any = done.json
    assert [(each["where"], each["done"]) for each in report["mended"]] == [
        ("synthetic/1d 9984", "the symbol was added"),
        ("synthetic/1d 7203 2025", "the page was moved to the archive"),
        ("synthetic/1d 6758 2025", "the header was made again from the bars of the page"),
    ]
    (backfill,) = report["backfills"]
    assert backfill["command"].endswith(" --from 2025-01-06 --to 2025-12-30 --symbol 7203")
    assert [verdict for verdict, _ in findings(damaged)] == ["ok"]
    assert "nothing is damaged in PostgreSQL at " in damaged("bars", "repair").out


def test_a_repair_speaks_japanese(damaged: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_LANG", "ja")
    out = damaged("bars", "repair", "--dry-run").out
    for text in ("ページを退避します", "ヘッダーを作り直します", "銘柄を追加します", "が破損しています"):
        assert text in out
