"""`files.toml` says how the files of a folder or a pattern are read; a mistake in it is refused by line."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from kaboom.errors import ProviderError
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.provider import FileProvider, FileRules
from kaboom.providers.file.times import TimeRules

LAST = date(2100, 1, 1)
HEAD = "Datetime,Open,High,Low,Close,Volume\n"


def write(root: Path, name: str, *stamps: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "".join(f"{stamp},1,2,1,2,100\n" for stamp in stamps))


def fetch(provider: FileProvider, interval: Interval) -> FetchedBars:
    async def run() -> FetchedBars:
        symbols = await provider.fetch_universe(Market.FILE, LAST)
        sessions = await provider.fetch_sessions(interval, 10_000, LAST)
        return await provider.fetch_bars(BarRequest(symbols or (), interval, sessions or ()))

    return asyncio.run(run())


def stamps(provider: FileProvider, interval: Interval = Interval.M1) -> dict[str, list[datetime]]:
    bars = fetch(provider, interval).bars
    return {str(key[0]): part["opened_at"].to_list() for key, part in bars.group_by("symbol", maintain_order=True)}


def test_each_folder_has_its_own_zone_and_stamp(tmp_path: Path) -> None:
    write(tmp_path, "us/AAPL.csv", "2024-11-05 09:31", "2024-11-05 09:32")
    write(tmp_path, "7203.csv", "2024-11-05 09:00", "2024-11-05 09:01")
    (tmp_path / "files.toml").write_text(
        '[[rules]]\nfiles = "us/"\ntime_zone = "America/New_York"\nstamp = "end"\n[[rules]]\nfiles="*"\n'
    )
    assert stamps(FileProvider(tmp_path)) == {
        "7203": [datetime(2024, 11, 5, 0, minute, tzinfo=UTC) for minute in (0, 1)],
        "AAPL": [datetime(2024, 11, 5, 14, minute, tzinfo=UTC) for minute in (30, 31)],
    }


def test_the_hour_that_comes_twice_is_refused_by_row_unless_it_has_an_offset(tmp_path: Path) -> None:
    write(tmp_path, "BTC.csv", "2024-11-03 00:58", "2024-11-03 00:59", "2024-11-03 01:00", "2024-11-03 02:00")
    write(tmp_path, "ETH.csv", "2024-11-03T01:00:00-04:00", "2024-11-03T01:01:00-04:00", "2024-11-03T01:00:00-05:00")
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "*"\ntime_zone = "America/New_York"\n')
    provider = FileProvider(tmp_path)
    found = {
        symbol: [f"{at:%H:%M}" for at in part["opened_at"]]
        for (symbol,), part in fetch(provider, Interval.M1).bars.group_by("symbol")
    }
    assert found == {"BTC": ["04:58", "04:59", "07:00"], "ETH": ["05:00", "05:01", "06:00"]}
    (refusal,) = describe_files(provider)[0]["refusals"]
    assert (refusal["line"], refusal["column"], refusal["rows"]) == (4, "Datetime", 1)
    assert "found '2024-11-03 01:00', whose hour comes twice" in refusal["why"]


def test_a_rule_counts_before_the_settings_and_the_first_of_two_rules(tmp_path: Path) -> None:
    write(tmp_path, "AAPL.csv", "2024-11-05 09:30", "2024-11-05 09:31")
    write(tmp_path, "SPY.csv", "2024-11-05 09:30", "2024-11-05 09:31")
    (tmp_path / "files.toml").write_text(
        '[[rules]]\nfiles = "AAPL*"\ntime_zone = "UTC"\n[[rules]]\nfiles = "A*"\ntime_zone = "Europe/Berlin"\n'
    )
    rules = FileRules(TimeRules("America/New_York"))
    found = stamps(FileProvider(tmp_path, rules))
    assert {symbol: at[0].hour for symbol, at in found.items()} == {"AAPL": 9, "SPY": 14}


@pytest.mark.parametrize(
    ("interval", "ends", "starts"),
    [
        (Interval.M1, ("09:01", "09:02", "15:30"), ("09:00", "09:01", "15:29")),
        (Interval.M5, ("09:05", "09:10", "11:30"), ("09:00", "09:05", "11:25")),
        (Interval.H1, ("10:00", "11:00"), ("09:00", "10:00")),
    ],
)
def test_bars_stamped_at_their_end_are_stored_at_their_start(
    tmp_path: Path, interval: Interval, ends: tuple[str, ...], starts: tuple[str, ...]
) -> None:
    write(tmp_path, "7203.csv", *(f"2024-11-05 {end}" for end in ends))
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "7203.csv"\nstamp = "end"\n')
    [found] = stamps(FileProvider(tmp_path), interval).values()
    assert [f"{at.hour + 9:02}:{at.minute:02}" for at in found] == list(starts)


def test_a_day_keeps_its_date_whatever_the_stamp(tmp_path: Path) -> None:
    write(tmp_path, "7203.csv", "2024-11-05", "2024-11-06")
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "*"\nstamp = "end"\n')
    [found] = stamps(FileProvider(tmp_path), Interval.D1).values()
    assert found == [datetime(2024, 11, day, tzinfo=UTC) for day in (5, 6)]


def test_a_minute_that_ends_at_midnight_is_of_the_day_before(tmp_path: Path) -> None:
    write(tmp_path, "USDJPY.csv", "2024-11-05T23:58:00Z", "2024-11-05T23:59:00Z", "2024-11-06T00:00:00Z")
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "*"\nstamp = "end"\n')
    provider = FileProvider(tmp_path)
    assert stamps(provider)["USDJPY"][2] == datetime(2024, 11, 5, 23, 59, tzinfo=UTC)
    assert asyncio.run(provider.fetch_sessions(Interval.M1, 9, LAST)) == (date(2024, 11, 5),)


def test_an_order_of_dates_is_of_its_pattern(tmp_path: Path) -> None:
    write(tmp_path, "eu/SAP.csv", "05/11/2024", "06/11/2024")
    write(tmp_path, "us/SPY.csv", "11/05/2024", "11/06/2024")
    text = '[[rules]]\nfiles = "eu/*"\ndate_order = "dmy"\n[[rules]]\nfiles = "SPY.*"\ndate_order = "mdy"\n'
    (tmp_path / "files.toml").write_text(text)
    days = [datetime(2024, 11, day, tzinfo=UTC) for day in (5, 6)]
    assert stamps(FileProvider(tmp_path), Interval.D1) == {"SAP": days, "SPY": days}


def test_a_decimal_comma_is_read_where_a_rule_says_so(tmp_path: Path) -> None:
    for folder, name in (("de", "SAP"), ("jp", "SONY")):
        (tmp_path / folder).mkdir()
        text = "date;open;high;low;close;volume\n2024-11-05;2504,0;2.510,5;2500,0;2508,0;1.000\n"
        (tmp_path / folder / f"{name}.csv").write_text(text)
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "de/"\ndecimal = ","\n')
    found = fetch(FileProvider(tmp_path), Interval.D1)
    [bar] = found.bars.filter(pl.col("symbol") == "SAP").select("open", "high", "close", "volume").rows()
    assert bar == (2504.0, 2510.5, 2508.0, 1000.0)
    [whys] = [file["refusals"] for file in describe_files(FileProvider(tmp_path)) if file["file"] == "jp/SONY.csv"]
    assert "found '2504,0'; if its comma is before the decimals, set decimal in files.toml" in whys[0]["why"]


def test_a_changed_rule_is_heard_without_a_restart(tmp_path: Path) -> None:
    write(tmp_path, "SPY.csv", "2024-11-05 09:30", "2024-11-05 09:31")
    provider = FileProvider(tmp_path)
    for zone, hour in (("America/New_York", 14), ("UTC", 9)):
        (tmp_path / "files.toml").write_text(f'[[rules]]\nfiles = "*"\ntime_zone = "{zone}"\n')
        assert stamps(provider)["SPY"][0].hour == hour


def test_the_check_says_which_rule_applied(tmp_path: Path) -> None:
    write(tmp_path, "us/SPY.csv", "2024-11-05 09:31", "2024-11-05 09:32")
    write(tmp_path, "7203.csv", "2024-11-05 09:00", "2024-11-05 09:01")
    (tmp_path / "files.toml").write_text('[[rules]]\nfiles = "us/"\ntime_zone = "America/New_York"\nstamp = "end"\n')
    found = {each["file"]: each["rule"] for each in describe_files(FileProvider(tmp_path))}
    assert found == {
        "7203.csv": None,
        "us/SPY.csv": {"files": "us/", "time_zone": "America/New_York", "stamp": "end"},
    }


def test_a_rule_that_matches_no_file_is_refused_by_its_line(tmp_path: Path) -> None:
    write(tmp_path, "us/SPY.csv", "2024-11-05 09:31", "2024-11-05 09:32")
    text = '[[rules]]\nfiles = "us/"\ntime_zone = "UTC"\n[[rules]]\nfiles = "S*"\n'
    text += '[[rules]]\nstamp = "end"\nfiles = "usa/"\n'
    (tmp_path / "files.toml").write_text(text)
    provider = FileProvider(tmp_path)
    [left_out] = asyncio.run(provider.fetch_left_out())
    assert left_out == "files.toml, line 8: expected files that the rule 'usa/' matches, found none"
    assert fetch(provider, Interval.M1).bars.height == 2
    # Other files of the folder are not looked at.
    assert asyncio.run(FileProvider(tmp_path / "us/SPY.csv").fetch_left_out()) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '[[rules]]\nfiles = "*"\ntime_zon = "UTC"\n',
            "line 3: expected one of files, time_zone, date_order, stamp, decimal",
        ),
        ('[[rules]]\nfiles = "*"\ntime_zon = "UTC"\n', "found the key 'time_zon'; did you mean 'time_zone'?"),
        (
            '#\n[[rule]]\nfiles = "*"\n',
            "line 2: expected one of rules, found the key 'rule'; did you mean 'rules'?",
        ),
        ('[[rules]]\nfiles = "*"\n\n[[rules]]\nstamp = "end"\n', "line 4: expected the key 'files' in each rule"),
        (
            '[[rules]]\nfiles = "*"\n[[rules]]\nfiles = "a"\ntime_zone = "Mars"\n',
            "line 5: expected a name such as 'Asia/Tokyo', found time_zone = 'Mars'",
        ),
        ('[[rules]]\nfiles = "*"\nstamp = "close"\n', "line 3: expected 'start' or 'end', found stamp = 'close'"),
        ('[[rules]]\nfiles = "*"\nstamp = \n', "line 3: expected TOML, found: Invalid value"),
        ('rules = [{files = "*", stam = "end"}]\n', "line 1: expected one of files"),
        (
            '[[rules]]\nfiles = "*"\ntime_zone = "Asia"\n',
            "line 3: expected a name such as 'Asia/Tokyo', found time_zone",
        ),
        (f'[[rules]]\nfiles = "*"\ntime_zone = "{"a" * 300}"\n', "line 3: expected a name such as 'Asia/Tokyo'"),
        ("rules = " + "[\n" * 30_000, "nested too deeply"),
        # tomllib would take seconds for it.
        (
            '[[rules]]\nfiles = "*"\n' + ".".join("a" * 20_000) + " = 1",
            "line 3: expected at most 2,000 characters in a line",
        ),
        ("#" * 65_537, "expected at most 65,536 bytes"),
        ('[[rules]]\nfiles = "日本"\n'.encode("cp932").decode("latin-1"), "expected"),
    ],
)
def test_a_mistake_is_refused_by_line(tmp_path: Path, text: str, why: str) -> None:
    write(tmp_path, "SPY.csv", "2024-11-05", "2024-11-06")
    (tmp_path / "files.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ProviderError, match=r"^files\.toml") as caught:
        FileProvider(tmp_path).describe()
    assert why in caught.value.message


def test_a_rules_file_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    write(folder, "SPY.csv", "2024-11-05", "2024-11-06")
    (tmp_path / "secret.toml").write_text("")
    (folder / "files.toml").symlink_to(tmp_path / "secret.toml")
    with pytest.raises(ProviderError, match="a link that leads out of it"):
        FileProvider(folder).describe()
