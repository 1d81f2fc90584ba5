"""The format's reference page is true: its reader reads a real file, and its SQL is the real SQL."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.schema import CREATE, FORMAT_VERSION
from kaboom.bars.pages.write import write_bars
from kaboom.market.bar import BarFlag
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day

DOC = (Path(__file__).parents[3] / "docs/reference/bar-store-format.md").read_text()


def reader() -> Callable[..., Any]:
    (code,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "bar-store-format.md", "exec"), names)
    read_page: Callable[..., Any] = names["read_page"]
    return read_page


def test_the_documented_reader_reads_what_the_store_wrote(tmp_path: Path) -> None:
    files = PageFiles(tmp_path)
    bars = full_day(["1301", "7203"], JUNE_2).with_columns(
        close=pl.col("close") + 0.1,
        flags=pl.when(pl.int_range(pl.len()) % 50 == 3).then(pl.lit(BarFlag.CORRECTED, pl.UInt16)).otherwise(0),
    )
    write_bars(files, MINUTES, bars)
    bucket = (JUNE_2 - date(1970, 1, 1)).days

    times, prices, volumes, flags = reader()(files.path(MINUTES, "2025-06"), "7203", bucket)

    expected = bars.filter(pl.col("symbol") == "7203")
    assert np.array_equal(times, expected["opened_at"].dt.epoch("s").to_numpy())
    for row, name in enumerate(("open", "high", "low", "close")):
        assert np.array_equal(prices[row], expected[name].to_numpy())
    assert np.array_equal(volumes, expected["volume"].to_numpy())
    assert np.array_equal(flags, expected["flags"].to_numpy())
    files.close()


def test_the_documented_reader_reads_a_year_of_daily_bars(tmp_path: Path) -> None:
    files = PageFiles(tmp_path)
    write_bars(files, DAILY, frame(*(bar("285A", at(date(2025, m, 1)), m) for m in range(1, 13))))

    times, prices, _, _ = reader()(tmp_path / "synthetic" / "1d" / "all.sqlite", "285A", 2025)

    assert times[0] == at(date(2025, 1, 1)).timestamp()
    assert prices[3].tolist() == list(range(1, 13))
    files.close()


def test_the_documented_tables_are_the_real_ones() -> None:
    (documented,) = re.findall(r"```sql\n(.*?)```", DOC, re.DOTALL)
    assert columns_of(documented) == columns_of(CREATE)
    assert f"Format version {FORMAT_VERSION}." in DOC


def test_the_documented_flags_are_the_real_ones() -> None:
    (listed,) = re.findall(r"The bits of flags: (.*?)\.", DOC, re.DOTALL)
    pairs = (item.split(maxsplit=1) for item in listed.replace("\n", " ").split(", "))
    documented = {name.strip().upper().replace(" ", "_"): int(bit) for bit, name in pairs}
    assert documented == {flag.name: flag.value for flag in BarFlag}


def columns_of(sql: str) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(sql)
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        shape = {n: db.execute(f"PRAGMA table_xinfo({n})").fetchall() for n in names}
        shape["cov"] = db.execute("PRAGMA index_info(cov)").fetchall()
        return shape
