"""Every layout that people have is recognised, or refused for the right reason, by file and line."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.names import NameRules
from kaboom.providers.file.provider import FileProvider, FileRules
from kaboom.providers.file.recognise.layout import Role, find_missing, lay_out
from tests.fixtures.providers.own_files import BARS, DAYS, LAYOUTS, PLAIN, REFUSED, OwnFile, write_own_files
from tests.fixtures.repo.repository import load_text

LAST = date(2100, 1, 1)


def fetch(root: Path, interval: str, rules: FileRules | None = None) -> FetchedBars:
    async def run() -> FetchedBars:
        provider = FileProvider(root, rules)
        symbols = await provider.fetch_universe(Market.FILE, LAST)
        sessions = await provider.fetch_sessions(Interval(interval), 10_000, LAST)
        assert symbols
        assert sessions
        return await provider.fetch_bars(BarRequest(symbols, Interval(interval), sessions))

    return asyncio.run(run())


@pytest.mark.parametrize("each", LAYOUTS, ids=lambda each: each.layout)
def test_a_layout_is_recognised(tmp_path: Path, each: OwnFile) -> None:
    write_own_files(tmp_path, (each,))
    fetched = fetch(tmp_path, each.interval)
    assert fetched.outcomes == {}
    assert tuple(sorted(set(fetched.bars["symbol"]))) == each.symbols
    assert fetched.bars.height == each.rows
    if b"1,2,1,2," not in each.content and each.interval == "1d":
        one = fetched.bars.filter(symbol="7203").sort("opened_at")
        assert [str(at.date()) for at in one["opened_at"]] == list(DAYS)
        assert [row[2:7] for row in one.rows()] == [*BARS]


@pytest.mark.parametrize(("periods", "interval"), [(("1", "1", "1"), "1m"), (("1", "5", "5"), "5m")])
def test_a_column_of_several_intervals_does_not_say_which(
    tmp_path: Path, periods: tuple[str, ...], interval: str
) -> None:
    rows = [f"7203,{per},20251104,09:{5 * n:02}+09:00,1,2,1,2,100" for n, per in enumerate(periods)]
    (tmp_path / "bars.csv").write_text("\n".join(["ticker,per,date,time,open,high,low,close,vol", *rows]))
    assert fetch(tmp_path, interval).bars.height == len(rows)


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%d/%m/%Y"])
def test_december_is_read_in_the_order_of_its_file(tmp_path: Path, form: str) -> None:
    days = [date(2024, 12, day) for day in (11, 12, 13, 16)]
    rows = [f"{day.strftime(form)},7203,1,2,1,2,100" for day in days]
    (tmp_path / "bars.csv").write_text("\n".join(["date,symbol,open,high,low,close,volume", *rows]))
    bars = fetch(tmp_path, "1d").bars
    assert bars.sort("opened_at")["opened_at"].dt.date().to_list() == days


@pytest.mark.parametrize("each", REFUSED, ids=lambda each: each.layout)
def test_a_layout_is_refused_for_its_reason(tmp_path: Path, each: OwnFile) -> None:
    write_own_files(tmp_path, (each,))
    [(_, _, facts)] = FileProvider(tmp_path).describe()
    assert facts.rows == 0 or each.layout == "NUL bytes"
    assert each.why in facts.refusals[0].message
    assert facts.refusals[0].file == each.name


def test_the_page_has_a_row_for_every_layout() -> None:
    page = load_text("docs/how-to/use-your-own-files.md")
    tables = page.partition("\n## Layouts\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in tables.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row not in {"layout", "refused"}] == [each.layout for each in (*LAYOUTS, *REFUSED)]


def test_all_layouts_lie_in_one_folder(tmp_path: Path) -> None:
    write_own_files(tmp_path, (*LAYOUTS, *REFUSED))
    fetched = fetch(tmp_path, "1d")
    assert {"7203", "6758", "9984"} <= set(fetched.bars["symbol"])
    bad = {s: o.message for s, o in fetched.outcomes.items() if o.outcome is Outcome.INVALID}
    assert {s: bad[s].partition(",")[0].partition(":")[0] for s in bad} == {
        "7203": "bad/7203.csv", "6501": "bad/6501.csv", "6502": "bad/6502.csv", "AAPL": "bad/AAPL.csv",
        "6503": "bad/6503.csv", "6504": "bad/6504.csv", "6505": "bad/6505.csv", "6506": "bad/6506.csv",
        "6507": "bad/6507.csv", "6508": "bad/6508.csv", "6509": "bad/6509.csv",
    }  # fmt: skip
    left_out = asyncio.run(FileProvider(tmp_path).fetch_left_out())
    assert [text.partition(":")[0] for text in left_out] == ["bad/prices.csv, line 1", "bad/toyota_7203.csv"]


@pytest.mark.parametrize(
    "rules",
    [
        ("_([0-9]{4})$", None),
        (r"(?P<symbol>\d{4})", None),
        (None, "file,symbol\ntoyota*.csv,7203.T\n"),
        (None, "# トヨタ\ntoyota*.csv,7203\n"),
    ],
)
def test_a_pattern_or_a_list_names_symbols(tmp_path: Path, rules: tuple[str | None, str | None]) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "toyota_7203.csv").write_bytes(PLAIN)
    pattern, listed = rules
    path = tmp_path / "symbols.csv"
    if listed:
        path.write_text(listed, encoding="cp932")
    names = NameRules.parse(pattern, path if listed else None)
    assert set(fetch(folder, "1d", FileRules(names=names)).bars["symbol"]) == {"7203"}


def test_one_bad_cell_harms_its_own_row_alone(tmp_path: Path) -> None:
    rows = [f"{s},{row}" for s in ("1301", "6758", "7203", "9984") for row in PLAIN.decode().splitlines()[1:]]
    rows[4] = rows[4].replace("2710", "xyz")
    rows[10] = rows[10].replace("2024-11-06", "24/11/06")
    (tmp_path / "all.csv").write_text("\n".join(["Symbol,Date,Open,High,Low,Close,Volume", *rows]))
    fetched = fetch(tmp_path, "1d")
    assert fetched.bars.height == 11
    assert {s: o.message for s, o in fetched.outcomes.items()} == {
        "6758": "all.csv, line 6, column High: expected a number, found 'xyz'",
        "9984": "all.csv, line 12, column Date: expected a year of four digits, found '24/11/06', of which the first or"
        " the last two may be the year: set KABOOM_FILE_DATE_ORDER",
    }


def test_each_failure_names_its_own_file(tmp_path: Path) -> None:
    for n, symbol in enumerate(("1301", "6758", "7203")):
        (tmp_path / f"{symbol}.csv").write_bytes(PLAIN.replace(b"2690", b"x" * (n + 1)))
    messages = [o.message for o in fetch(tmp_path, "1d").outcomes.values()]
    assert [message.partition(",")[0] for message in messages] == ["1301.csv", "6758.csv", "7203.csv"]
    assert ["'x'" in messages[0], "'xx'" in messages[1], "'xxx'" in messages[2]] == [True] * 3


def test_a_broken_line_harms_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "7203.csv").write_bytes(PLAIN.replace(b"2024-11-06,", b"2024-11-06,1,"))
    fetched = fetch(tmp_path, "1d")
    assert fetched.bars.height == 2
    assert fetched.outcomes["7203"].message == "7203.csv, line 3: expected 6 fields as in the header, found 7"


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_bytes(PLAIN)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "9984.csv").symlink_to(tmp_path / "elsewhere.csv")
    (folder / "7203.csv").write_bytes(PLAIN)
    found = [facts.refusals for _, _, facts in FileProvider(folder).describe() if facts.refusals]
    assert found == [(Refusal("9984.csv", "expected a file of this folder, found a link that leads out of it"),)]


def test_a_lost_row_belongs_to_a_symbol_of_its_own_file(tmp_path: Path) -> None:
    head, bad = "symbol,date,open,high,low,close,volume", ",2024-13-45,1,2,1,2,100"
    (tmp_path / "a.csv").write_text(f"{head}\n7203,2024-11-05,1,2,1,2,100\n")
    (tmp_path / "b.csv").write_text(f"{head}\n{bad}\n6758,2024-11-05,1,2,1,2,100\n9984,2024-11-05,1,2,1,2,100\n{bad}\n")
    provider, lost = FileProvider(tmp_path), {}
    for symbol in ("6758", "7203", "9984"):
        request = BarRequest((symbol,), Interval.D1, (date(2024, 11, 5),))
        found = asyncio.run(provider.fetch_bars(request)).unreadable
        lost[symbol] = [] if found is None else found.select("symbol", "file", "line").rows()
    # With the row above, else with the one below.
    assert lost == {"6758": [("6758", "b.csv", 2)], "7203": [], "9984": [("9984", "b.csv", 5)]}


@pytest.mark.parametrize(
    ("header", "date_in"),
    [
        (",open,high,low,close,volume", 0),
        ("Unnamed: 0,open,high,low,close,volume", 0),
        ("open,high,low,close,volume,index", 5),
        ("open,high,low,close,volume,", None),
        ("open,,high,low,close,volume", None),
        (",date,open,high,low,close,volume", 1),
    ],
)
def test_a_column_without_a_name_has_the_days_only_if_it_is_the_first(header: str, date_in: int | None) -> None:
    layout = lay_out(header.split(","))
    assert layout.columns.get(Role.DATE) == date_in
    assert find_missing(layout) == ([] if date_in is not None else ["date or timestamp"])


def test_what_is_refused_is_listed_by_line(tmp_path: Path) -> None:
    rows = ["2024-11-05,1,2,1,x,9", "2024-13-45,1,2,1,2,9", "2024-11-06,x,2,1,2,9", "2024-13-46,1,2,1,2,9"]
    (tmp_path / "7203.csv").write_text("\n".join(["date,open,high,low,close,volume", "2024-11-04,1,2,1,2,9", *rows]))
    [(_, _, facts)] = FileProvider(tmp_path).describe()
    lines = [refusal.line for refusal in facts.refusals]
    assert lines == sorted(lines, key=lambda line: line or 0)
    assert {3, 4, 5} <= set(lines)
