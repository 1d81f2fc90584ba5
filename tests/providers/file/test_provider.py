"""The file provider serves every row of the files it is given, or says which it cannot read, and why."""

import asyncio
import gzip
import shutil
from collections import Counter
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.errors import ConfigurationError, ProviderError
from kaboom.market.action import CorporateAction
from kaboom.market.bar import RAW_BAR_SCHEMA
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.folder import list_files
from kaboom.providers.file.provider import FileProvider

ALWAYS = date(2100, 1, 1)
HEADER = "Date,Open,High,Low,Close,Volume\n"


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def everything(root: Path, interval: Interval, time_zone: str = "Asia/Tokyo") -> FetchedBars:
    async def run() -> FetchedBars:
        provider = FileProvider(root, time_zone=time_zone)
        symbols = await provider.fetch_universe(Market.FILE, ALWAYS)
        sessions = await provider.fetch_sessions(interval, 1_000_000, ALWAYS)
        assert symbols is not None
        assert sessions is not None
        return await provider.fetch_bars(BarRequest(symbols, interval, sessions))

    return asyncio.run(run())


def test_the_files_of_a_folder_stay_together(tmp_path: Path) -> None:
    for name in ("a.csv", "a-b/1.csv", "a/2.csv", "a/1.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path, name, HEADER)
    assert [file.name for file in list_files(tmp_path).files] == ["a/1.csv", "a/2.csv", "a-b/1.csv", "a.csv"]


def first_stamp(root: Path, interval: Interval, time_zone: str = "Asia/Tokyo") -> datetime:
    stamp = everything(root, interval, time_zone).bars["opened_at"][0]
    assert isinstance(stamp, datetime)
    return stamp


def refusal(root: Path) -> str:
    """Return why the first file is refused, or what of it."""
    return next(facts.refusals[0].message for _, _, facts in FileProvider(root).describe() if facts.refusals)


def test_days_of_one_symbol_are_not_steps_to_those_of_another(tmp_path: Path) -> None:
    rows = [f"{symbol},2025-{month:02}-04,10,12,9,11,100\n" for symbol, month in (("A", 9), ("B", 10), ("C", 11))]
    write(tmp_path, "one.csv", f"Symbol,{HEADER}{''.join(rows)}")
    for month in (7, 8, 9):
        write(tmp_path, f"D-{month}.csv", f"Symbol,{HEADER}D,2024-{month:02}-04,10,12,9,11,100\n")
    bars = everything(tmp_path, Interval.D1).bars
    assert sorted(bars["symbol"]) == ["A", "B", "C", "D", "D", "D"]


def failure(root: Path, interval: Interval = Interval.D1) -> str:
    with pytest.raises(ProviderError) as caught:
        everything(root, interval)
    assert not caught.value.retryable
    return caught.value.message


class TestRealStocks:
    """AAPL, FB, GOOG, IBM and MSFT, daily, 2000 to 2013 (bokeh-sampledata)."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        source = files("bokeh_sampledata") / "_data" / "stocks.csv.gz"
        target = tmp_path / "stocks.csv.gz"
        target.write_bytes(source.read_bytes())
        return target

    def test_every_row_comes_out(self, path: Path) -> None:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
        bars = everything(path, Interval.D1, "America/New_York").bars
        assert bars.height == len(lines) == 12_154
        assert Counter(bars["symbol"]) == Counter(line.partition(",")[0] for line in lines)
        assert bars.null_count().sum_horizontal()[0] == 0
        assert bars["volume"].sum() == sum(float(line.split(",")[6]) for line in lines)

    def test_real_columns_come_in_the_right_places(self, path: Path) -> None:
        row = everything(path, Interval.D1, "America/New_York").bars.select(RAW_BAR_SCHEMA.names()).row(0)
        assert row == ("AAPL", datetime(2000, 3, 1, tzinfo=UTC), 118.56, 132.06, 118.5, 130.31, 9616100.0)

    def test_last_sessions_up_to_a_day(self, path: Path) -> None:
        provider = FileProvider(path)
        sessions = asyncio.run(provider.fetch_sessions(Interval.D1, 2, date(2012, 10, 30)))
        assert sessions == (date(2012, 10, 25), date(2012, 10, 26))  # the market was shut by a storm

    def test_gzip_plain_and_parquet_are_the_same(self, path: Path, tmp_path: Path) -> None:
        zipped = everything(path, Interval.D1).bars.drop("file")
        plain = write(tmp_path, "stocks.csv", gzip.decompress(path.read_bytes()).decode())
        assert everything(plain, Interval.D1).bars.drop("file").equals(zipped)
        typed = pl.read_csv(plain, try_parse_dates=True)
        typed.write_parquet(tmp_path / "stocks.parquet")
        parquet = everything(tmp_path / "stocks.parquet", Interval.D1).bars
        # Its rows are counted from 1, without a header.
        assert parquet.drop("file", "line").equals(zipped.drop("line"))
        assert parquet["line"].equals(zipped["line"] - 1)


class TestTimes:
    @pytest.mark.parametrize(
        "text",
        [
            "2023-04-14",
            "2023/4/14",
            "4/14/2023",
            "20230414",
            "14-Apr-2023",
            "2023-04-14 00:00:00+09:00",
            "2023-04-13T15:00:00Z",
            "2023-04-13 11:00:00-04:00",
            "1681398000",
            "1681398000000",
            "1681398000.0",
        ],
    )
    def test_daily_bars_are_stamped_their_local_date(self, tmp_path: Path, text: str) -> None:
        path = write(tmp_path, "7203.csv", f"{HEADER}{text},1,2,1,2,100\n")
        assert first_stamp(path, Interval.D1) == datetime(2023, 4, 14, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("header", "rows"),
        [
            ("Datetime", ("11/5/2019 9:30", "11/5/2019 9:31", "11/13/2019 9:30")),
            ("timestamp", ("2019-11-05 09:30:00", "2019-11-05 09:31:00")),
            ("Date,Time", ("2019-11-05,09:30", "2019-11-05,09:31")),
            ("TIME,DATE", ("0930,20191105", "0931,20191105")),
            ("Time", ("2019-11-05T14:30:00+00:00", "2019-11-05T14:31:00+00:00")),
            ("open_time", ("1572964200", "1572964260")),
        ],
    )
    def test_minutes_become_utc(self, tmp_path: Path, header: str, rows: tuple[str, ...]) -> None:
        text = f"{header},O,H,L,C,V\n" + "".join(f"{row},1,2,1,2,100\n" for row in rows)
        bars = everything(write(tmp_path, "SPX.csv", text), Interval.M1, "America/New_York").bars
        assert bars["opened_at"].to_list()[:2] == [
            datetime(2019, 11, 5, 14, 30, tzinfo=UTC),
            datetime(2019, 11, 5, 14, 31, tzinfo=UTC),
        ]

    @pytest.mark.parametrize(
        ("minutes", "interval"),
        [((0, 1, 2, 7), Interval.M1), ((0, 5, 20), Interval.M5), ((0, 15, 30), Interval.M15), ((0, 60), Interval.H1)],
    )
    def test_interval_is_found_from_the_steps(
        self, tmp_path: Path, minutes: tuple[int, ...], interval: Interval
    ) -> None:
        rows = "".join(f"2024-11-05 {9 + m // 60:02}:{m % 60:02},1,2,1,2,100\n" for m in minutes)
        assert everything(write(tmp_path, "7203.csv", HEADER + rows), interval).bars.height == len(minutes)

    @pytest.mark.parametrize("time_zone", ["America/New_York", "Asia/Tokyo"])
    def test_a_midnight_with_an_offset_is_its_own_day(self, tmp_path: Path, time_zone: str) -> None:
        path = write(tmp_path, "4063.csv", f"{HEADER}2023-03-29 00:00:00+09:00,1,2,1,2,100\n")
        assert first_stamp(path, Interval.D1, time_zone) == datetime(2023, 3, 29, tzinfo=UTC)

    def test_session_of_minutes_is_the_utc_date_as_in_the_stores(self, tmp_path: Path) -> None:
        rows = "2024-11-05T00:00:00Z,1,2,1,2,1\n2024-11-05T00:01:00Z,1,2,1,2,1\n"
        provider = FileProvider(write(tmp_path, "X.csv", HEADER + rows), time_zone="America/New_York")
        assert asyncio.run(provider.fetch_sessions(Interval.M1, 9, ALWAYS)) == (date(2024, 11, 5),)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "symbol"),
        [
            ("7203.csv", "7203"),
            ("7203.T.csv", "7203"),
            ("4063_T_1d_2023_split.csv", "4063"),
            ("sp500_1m_2019-11.csv", "SP500"),
            ("285a0.csv", "285A"),
            ("BRK-B.csv", "BRK-B"),
        ],
    )
    def test_file_of_one_symbol_is_named_after_it(self, tmp_path: Path, name: str, symbol: str) -> None:
        path = write(tmp_path, name, HEADER + "2024-11-05,1,2,1,2,100\n")
        assert asyncio.run(FileProvider(path).fetch_universe(Market.FILE, ALWAYS)) == (symbol,)
        assert everything(path, Interval.D1).bars["symbol"].to_list() == [symbol]

    def test_files_of_one_symbol_are_joined_and_others_not_opened(self, tmp_path: Path) -> None:
        write(tmp_path, "7203_2023.csv", HEADER + "2023-11-06,1,2,1,2,100\n")
        write(tmp_path, "7203_2024.csv", HEADER + "2024-11-05,1,2,1,2,100\n")
        write(tmp_path, "9984.csv", HEADER + "2024-11-05,x,2,1,2,100\n")
        request = BarRequest(("7203",), Interval.D1, (date(2023, 11, 6), date(2024, 11, 5)))
        assert asyncio.run(FileProvider(tmp_path).fetch_bars(request)).bars.height == 2

    def test_other_files_are_left_alone(self, tmp_path: Path) -> None:
        write(tmp_path, "README.md", "# notes")
        write(tmp_path, ".hidden.csv", "x")
        (tmp_path / "sub").mkdir()
        write(tmp_path / "sub", "7203.csv", HEADER + "2024-11-05,1,2,1,2,100\n")
        write(tmp_path, "~$7203.xlsx", "left by Excel while it is open")
        provider = FileProvider(tmp_path)
        assert asyncio.run(provider.fetch_universe(Market.FILE, ALWAYS)) == ("7203",)
        assert asyncio.run(provider.fetch_left_out()) == ()

    @pytest.mark.parametrize("name", ["7203.xls", "7203.jsonl", "7203.XLSM", "bars.tar.gz", "bars.7z"])
    def test_a_file_that_may_hold_bars_is_not_passed_over_in_silence(self, tmp_path: Path, name: str) -> None:
        write(tmp_path, "6758.csv", HEADER + "2024-11-05,1,2,1,2,100\n")
        write(tmp_path, name, "x")
        [left_out] = asyncio.run(FileProvider(tmp_path).fetch_left_out())
        assert left_out.startswith(f"{name}: expected CSV, Excel (.xlsx) or Parquet, found .")


class TestCells:
    def test_absent_values_are_null_and_their_row_is_kept(self, tmp_path: Path) -> None:
        text = HEADER + '2024-11-05,null,NaN,,-,N/A\n2024-11-06,"1,234.5",1300,1200,1250,"1,000"\n'
        rows = everything(write(tmp_path, "7203.csv", text), Interval.D1).bars.rows()
        assert rows[0][2:7] == (None,) * 5
        assert rows[1][2:7] == (1234.5, 1300.0, 1200.0, 1250.0, 1000.0)

    def test_empty_lines_and_a_missing_volume_column_do_no_harm(self, tmp_path: Path) -> None:
        text = "Date,Close,Low,High,Open\n2024-11-05,2,1,3,2\n\n2024-11-06,2,1,3,2\n\n"
        bars = everything(write(tmp_path, "N225.csv", text), Interval.D1).bars
        assert bars["volume"].to_list() == [0.0, 0.0]

    def test_japanese_header_in_excels_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes("コード,日付,始値,高値,安値,終値,出来高\n7203,2024/11/05,1,2,1,2,5\n".encode("cp932"))
        assert everything(path, Interval.D1).bars["symbol"].to_list() == ["7203"]

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(*[st.floats(0.1, 1e6).map(lambda x: round(x, 4))] * 4, st.integers(0, 10**9)),
            min_size=2,
            max_size=20,
        ),
        st.permutations(["symbol", "date", "open", "high", "low", "close", "volume", "adj close"]),
        st.sampled_from(",;\t"),
    )
    def test_any_column_order_gives_back_every_row(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        rows: list[tuple[float, float, float, float, int]],
        order: list[str],
        separator: str,
    ) -> None:
        lines = [separator.join(order)]
        for day, (o, h, low, c, v) in enumerate(rows):
            text = date.fromordinal(735_000 + day).isoformat()
            cells = {"symbol": "X", "date": text, "open": o, "high": h, "low": low, "close": c, "volume": v}
            lines.append(separator.join(str(cells.get(name, 1)) for name in order))
        directory = tmp_path_factory.mktemp("orders")
        path = write(directory, "x.csv", "\n".join(lines))
        bars = everything(path, Interval.D1).bars
        assert [r[2:7] for r in bars.rows()] == [tuple(map(float, r)) for r in rows]


class TestRefusals:
    def test_bad_number_names_file_line_and_cell(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n\n2024-11-06,1,two,1,2,1\n")
        assert refusal(path) == "7203.csv, line 4, column High: expected a number, found 'two'"

    def test_bad_date_names_file_line_and_cell(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\nyesterday,1,2,1,2,1\n")
        assert "7203.csv, line 3, column Date: expected a date such as" in refusal(path)
        assert "'yesterday'" in refusal(path)

    def test_row_without_a_date_is_not_dropped_in_silence(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n,1,2,1,2,1\n")
        assert "line 3: expected a date and a symbol" in refusal(path)

    def test_row_with_too_many_fields(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n2024-11-06,1,2,1,2,1,9\n")
        assert refusal(path) == "7203.csv, line 3: expected 6 fields as in the header, found 7"

    def test_bad_symbol(self, tmp_path: Path) -> None:
        path = write(tmp_path, "all.csv", "Symbol," + HEADER + "../etc,2024-11-05,1,2,1,2,1\n")
        assert "all.csv, line 2, column Symbol: symbol was '../etc'" in refusal(path)

    def test_missing_columns(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", "Date,Close\n2024-11-05,1\n")
        assert refusal(path).startswith("7203.csv, line 1: expected a column open, high, low, found only")

    @pytest.mark.parametrize("volume", ["", ",100"])
    def test_rows_without_a_header(self, tmp_path: Path, volume: str) -> None:
        path = write(tmp_path, "7203.csv", f"2024-11-05,1,2,1,2{volume}\n2024-11-06,1,2,1,2{volume}\n")
        why = "expected a header such as Date,Time,Open,High,Low,Close,Volume above the rows, found none"
        assert refusal(path) == f"7203.csv, line 1: {why}"

    @pytest.mark.parametrize(
        ("name", "content"),
        [("7203.csv", b""), ("7203.csv.gz", b"not gzip"), ("7203.parquet", b"PAR0"), ("7203.csv", b"\xff\xfe\x00")],
    )
    def test_unreadable_files(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        assert refusal(tmp_path).startswith(name)

    def test_cut_off_gzip(self, tmp_path: Path) -> None:
        whole = gzip.compress((HEADER + "2024-11-05,1,2,1,2,1\n" * 5000).encode())
        (tmp_path / "7203.csv.gz").write_bytes(whole[:-20])
        assert refusal(tmp_path).startswith("7203.csv.gz: expected a readable gz file")

    @pytest.mark.parametrize(
        ("stamps", "found"),
        [
            (("2024-11-05 09:00", "2024-11-05 09:30", "2024-11-05 10:00"), "steps of 1800 seconds"),
            (("2024-11-05 10:00", "2024-11-05 11:00", "2024-11-05 12:30"), "steps of 3600, 5400 seconds"),
            (("2024-01-01", "2024-02-01", "2024-03-01"), "one every 29 days"),
            (("2024-11-05 09:00",), "expected at least two rows"),
        ],
    )
    def test_unknown_intervals_are_rejected(self, tmp_path: Path, stamps: tuple[str, ...], found: str) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "".join(f"{s},1,2,1,2,1\n" for s in stamps))
        assert found in refusal(path)

    def test_a_name_that_says_minutes_without_a_number_does_not_overrule_the_steps(self, tmp_path: Path) -> None:
        rows = "".join(f"2024-11-05 09:{n:02},1,2,1,2,1\n" for n in (0, 5, 10))
        assert everything(write(tmp_path, "7203_minute.csv", HEADER + rows), Interval.M5).bars.height == 3

    def test_bars_of_less_than_a_second_are_no_days(self, tmp_path: Path) -> None:
        rows = "".join(f"{1730764800000 + n},1,2,1,2,1\n" for n in range(3))
        assert "steps of 0.001 seconds" in refusal(write(tmp_path, "7203.csv", HEADER + rows))

    def test_hours_that_are_no_hours_are_refused_whatever_their_name_says(self, tmp_path: Path) -> None:
        rows = "".join(f"2024-11-05 {at},1,2,1,2,1\n" for at in ("10:00", "11:00", "12:30"))
        assert "steps of 3600, 5400 seconds" in refusal(write(tmp_path, "TSE_7203, 60.csv", HEADER + rows))

    def test_an_interval_missing_from_the_files_is_reported(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n")
        assert "interval was 5m" in failure(path, Interval.M5)
        assert "hold 1d" in failure(path, Interval.M5)

    def test_missing_and_empty_directories(self, tmp_path: Path) -> None:
        assert "which holds none" in failure(tmp_path)
        assert "which does not exist" in failure(tmp_path / "nowhere")

    @pytest.mark.parametrize("zone", ["Mars/Base", "Asia", "a" * 300])
    def test_unknown_time_zone(self, tmp_path: Path, zone: str) -> None:
        with pytest.raises(ConfigurationError, match=f"'{zone}'"):
            FileProvider(tmp_path, time_zone=zone)

    def test_one_bad_file_costs_its_own_symbol_only(self, tmp_path: Path) -> None:
        write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n")
        write(tmp_path, "9984.csv", HEADER + "2024-11-05,1,2,1,oops,1\n")
        fetched = everything(tmp_path, Interval.D1)
        assert fetched.bars["close"].to_list() == [2.0, None]  # without its close the row goes to quarantine
        assert fetched.bars.select("file", "line").rows() == [("7203.csv", 2), ("9984.csv", 2)]
        outcome = fetched.outcomes["9984"]
        assert outcome.outcome is Outcome.INVALID
        assert outcome.message == "9984.csv, line 2, column Close: expected a number, found 'oops'"


class TestOutcomes:
    def test_known_symbol_without_bars_and_unknown_symbol(self, tmp_path: Path) -> None:
        write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n2024-11-07,1,2,1,2,1\n")
        write(tmp_path, "6758.csv", HEADER + "2024-11-05,1,2,1,2,1\n")
        request = BarRequest(("7203", "6758", "9984"), Interval.D1, (date(2024, 11, 6),))
        fetched = asyncio.run(FileProvider(tmp_path).fetch_bars(request))
        assert {s: (o.outcome, o.message) for s, o in fetched.outcomes.items()} == {
            "7203": (Outcome.NO_TRADES, ""),
            "6758": (
                Outcome.NOT_LISTED,
                "not in your files on these days; they have it from 2024-11-05 to 2024-11-05",
            ),
            "9984": (Outcome.NOT_LISTED, "not in your files"),
        }

    def test_no_trades_are_reported_only_where_the_exchange_was_open(self, tmp_path: Path) -> None:
        write(tmp_path, "7203.csv", HEADER + "2024-11-01,1,2,1,2,1\n2024-11-05,1,2,1,2,1\n")
        # 2024-11-04 was a holiday in Japan.
        request = BarRequest(("7203",), Interval.D1, (date(2024, 11, 4),))
        outcome = asyncio.run(FileProvider(tmp_path).fetch_bars(request)).outcomes["7203"]
        assert outcome.outcome is Outcome.NOT_LISTED

    def test_changed_file_is_read_again(self, tmp_path: Path) -> None:
        path = write(tmp_path, "7203.csv", HEADER + "2024-11-05,1,2,1,2,1\n")
        provider = FileProvider(tmp_path)
        request = BarRequest(("7203",), Interval.D1, (date(2024, 11, 5), date(2024, 11, 6)))
        assert asyncio.run(provider.fetch_bars(request)).bars.height == 1
        write(tmp_path, "7203.csv", path.read_text() + "2024-11-06,1,2,1,2,1\n")
        assert asyncio.run(provider.fetch_bars(request)).bars.height == 2
        shutil.rmtree(tmp_path)
        with pytest.raises(ProviderError, match="does not exist"):
            asyncio.run(provider.fetch_bars(request))


class TestFactors:
    def test_a_column_of_factors_tells_of_actions(self, tmp_path: Path) -> None:
        rows = "2025-11-04,30,31,29,30,100,1\n2025-11-05,10,11,9,10,300,0.333333\n2025-11-06,10,11,9,10,300,\n"
        write(tmp_path, "7203.csv", HEADER.replace("Volume", "Volume,AdjustmentFactor") + rows)
        fetched = everything(tmp_path, Interval.D1)
        assert fetched.actions == [CorporateAction("7203", date(2025, 11, 5), 1 / 3)]
        assert fetched.bars["close"].to_list() == [30.0, 10.0, 10.0]

    def test_yahoos_splits_and_dividends_are_actions_and_bars_are_as_traded(self, tmp_path: Path) -> None:
        # 4063 was split 5:1 on 2023-03-30, when it also paid 275 yen for each old share.
        rows: tuple[str, ...] = (
            "2023-03-28,4140,4146,4130,4142,900,4100,0,0",
            "2023-03-29,4146,4211,4146,4206,900,4150,0,0",
        )
        rows += ("2023-03-30,4257,4268,4119,4161,5500,4161,55,5", "2023-03-31,4229,4299,4209,4275,9600,4275,0,0")
        text = HEADER.replace("Volume", "Volume,Adj Close,Dividends,Stock Splits") + "\n".join(rows)
        fetched = everything(write(tmp_path, "4063.T.csv", text).parent, Interval.D1)
        day = date(2023, 3, 30)
        assert fetched.actions == [
            CorporateAction("4063", day, 0.2),
            CorporateAction("4063", day, amount=275.0),
        ]
        assert fetched.bars["close"].to_list() == [20_710.0, 21_030.0, 4161.0, 4275.0]
        assert fetched.bars["volume"].to_list() == [180.0, 180.0, 5500.0, 9600.0]

    def test_an_impossible_factor_is_reported(self, tmp_path: Path) -> None:
        text = HEADER.replace("Volume", "Volume,AdjFactor") + "2025-11-04,30,31,29,30,100,0\n"
        write(tmp_path, "7203.csv", text)
        assert "7203.csv, line 2, column AdjFactor: factor was 0" in refusal(tmp_path)


@pytest.mark.parametrize(("count", "end"), [(3, None), (4, "; 1 more"), (1203, "; 1,200 more")])
def test_a_folder_of_refused_files_names_the_first_three(tmp_path: Path, count: int, end: str | None) -> None:
    for number in range(count):
        (tmp_path / f"{number:04}.zip").write_bytes(b"no zip")
    with pytest.raises(ProviderError) as refused:
        asyncio.run(FileProvider(tmp_path).fetch_universe(Market.FILE, ALWAYS))
    assert [f"{number:04}.zip" in refused.value.message for number in range(4)] == [True, True, True, False]
    assert (refused.value.message.endswith(end or ""), " more" in refused.value.message) == (True, end is not None)
    assert not refused.value.retryable
