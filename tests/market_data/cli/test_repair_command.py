"""`kaboom bars repair`: which requests ingest what was lost, and what is printed of them."""

import asyncio
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer

from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.store import Gap
from kaboom.cli.session import Session
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.source import derived_source
from kaboom.market_data.cli.repair import _follow, _plan_refills
from tests.fixtures.bars.damage import flip_page
from tests.fixtures.bars.stored_bars import DAILY, at, bar, frame
from tests.fixtures.cli import Kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Request, Response, serving

MONDAY, TUESDAY, FRIDAY = date(2025, 6, 2), date(2025, 6, 3), date(2025, 6, 6)
SUNDAY = date(2025, 6, 1)
FILES, ROLLED = BarSeries("file", Interval.D1), BarSeries(derived_source("synthetic"), Interval.M5)
BACKFILL = "kaboom ingest backfill --interval 1d --market"
#: Gaps, and the commands that fill them.
PLANS: dict[str, tuple[list[Gap], list[str]]] = {
    "one": (
        [Gap(DAILY, ("7203",), SUNDAY, TUESDAY)],
        [f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-02 --to 2025-06-03 --symbol 7203"],
    ),
    "without a session": ([Gap(DAILY, ("7203",), SUNDAY, SUNDAY)], []),
    "of unknown symbols": (
        [Gap(DAILY, (), MONDAY, MONDAY)],
        [f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-02 --to 2025-06-02"],
    ),
    "same days, several markets": (
        [Gap(DAILY, ("7203", "9999"), MONDAY, MONDAY), Gap(DAILY, ("6758", "4478", "7203"), MONDAY, MONDAY)],
        [
            f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-02 --to 2025-06-02 --symbol 6758 --symbol 7203",
            f"{BACKFILL} TSE_GROWTH --provider synthetic --from 2025-06-02 --to 2025-06-02 --symbol 4478",
            f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-02 --to 2025-06-02 --symbol 9999",
        ],
    ),
    "other days": (
        [Gap(DAILY, ("6758",), TUESDAY, TUESDAY), Gap(DAILY, ("7203",), MONDAY, MONDAY)],
        [
            f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-02 --to 2025-06-02 --symbol 7203",
            f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-03 --to 2025-06-03 --symbol 6758",
        ],
    ),
    "of files": (
        [Gap(FILES, ("BRK B",), MONDAY, MONDAY)],
        [f"{BACKFILL} FILE --provider file --from 2025-06-02 --to 2025-06-02 --symbol 'BRK B'"],
    ),
    "rolled up": (
        [Gap(ROLLED, ("7203",), MONDAY, FRIDAY)],
        ["kaboom market-data roll-up --interval 5m=5 --provider synthetic --session 2025-06-06 --symbol 7203"],
    ),
    "eight kinds": (
        [Gap(DAILY, ("7203",), date(2025, 6, day), date(2025, 6, day)) for day in (2, 3, 4, 5, 6, 9, 10, 11)],
        [
            f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-{day:02} --to 2025-06-{day:02} --symbol 7203"
            for day in (2, 3, 4, 5, 6, 9, 10, 11)
        ],
    ),
    "more than eight kinds": (
        [
            Gap(DAILY, (symbol,), date(2025, 6, day), date(2025, 6, day))
            for day, symbol in zip((12, 3, 4, 5, 6, 9, 10, 11, 2), ["7203", "6758"] * 5, strict=False)
        ],
        [f"{BACKFILL} TSE_PRIME --provider synthetic --from 2025-06-02 --to 2025-06-12 --symbol 6758 --symbol 7203"],
    ),
}


@pytest.mark.parametrize(("gaps", "commands"), PLANS.values(), ids=PLANS)
def test_only_what_is_missing_is_ingested_again(gaps: list[Gap], commands: list[str]) -> None:
    refills = list(_plan_refills(gaps))
    assert [refill.command for refill in refills] == commands
    assert [refill.is_known for refill in refills] == ["--symbol" in command for command in commands]


def test_a_request_says_what_its_command_says() -> None:
    backfill, roll_up = _plan_refills([Gap(DAILY, ("7203",), MONDAY, FRIDAY), Gap(ROLLED, ("7203",), MONDAY, FRIDAY)])
    assert (backfill.path, backfill.body) == (
        "/api/v1/ingest/backfill",
        {
            "intervals": {"1d": 5}, "market": "TSE_PRIME", "provider": "synthetic", "first": "2025-06-02",
            "last": "2025-06-06", "chunk_size": 5000, "symbols": ["7203"],
        },
    )  # fmt: skip
    body = {"intervals": {"5m": 5}, "provider": "synthetic", "session": "2025-06-06", "symbols": ["7203"]}
    assert (roll_up.path, roll_up.body) == ("/api/v1/market-data/roll-up", body)


@pytest.fixture(scope="module")
def damaged_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a damaged page of one of two symbols."""
    folder = tmp_path_factory.mktemp("damaged") / "data"

    async def write() -> None:
        store = PageBarStore(folder / "bars")
        await store.write(DAILY, frame(*(bar(symbol, at(MONDAY)) for symbol in ("6758", "7203"))))
        await store.close()

    asyncio.run(write())
    (path,) = (folder / "bars").rglob("all.sqlite")
    flip_page(path, "7203")
    return folder


@pytest.fixture
def damaged(damaged_template: Path, kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """The command line on a copy of it; no server runs."""
    shutil.copytree(damaged_template, tmp_path / "data")
    monkeypatch.setenv("KABOOM_DATA_DIR", "data")
    monkeypatch.delenv("KABOOM_API_URL", raising=False)
    return kaboom


def test_a_dry_run_changes_nothing_and_prints_what_it_would_do(damaged: Kaboom) -> None:
    first, second = damaged("bars", "repair", "--dry-run"), damaged("bars", "repair", "--dry-run")
    assert (first.code, first) == (0, second)
    header, row, *commands = first.out.splitlines()
    assert header.split("  ")[0] == "where"
    assert "7203" in row
    (command,) = (line.split("kaboom ")[1] for line in commands)
    assert command.startswith("ingest backfill --interval 1d --market TSE_PRIME --provider synthetic --from ")
    assert command.endswith(" --symbol 7203")
    found: Any = damaged("bars", "repair", "--dry-run", "--json").json
    assert (found["dry_run"], len(found["mended"]), found["mended"][0]["kept"]) == (True, 1, "")
    assert [each["job_id"] for each in found["backfills"]] == [None]


def job_of(status: str) -> Response:
    """Return a job in this state, as the API shows it."""
    progress = b'{"total": 0, "done": 0, "failed": 0, "cancelled": 0, "rows": 0}'
    return Response(
        202,
        b'{"job_id": "j1", "status": "%b", "task": "ingest.backfill", "queue": "ingest", "result": null,'
        b' "error": null, "market": null, "intervals": null, "requested_at": null, "completed_at": null,'
        b' "progress": %b}' % (status.encode(), progress),
    )


@pytest.mark.parametrize("statuses", [("completed", "failed"), ("failed", "completed")])
def test_of_several_backfills_the_worst_end_counts(monkeypatch: pytest.MonkeyPatch, statuses: tuple[str, ...]) -> None:
    ends = [job_of(status) for status in statuses]
    with serving(lambda _: ends.pop(0)) as url:
        monkeypatch.setenv("KABOOM_API_URL", url)
        monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
        with pytest.raises(typer.Exit) as exited:
            _follow(Session(language="en"), ["a" * 32, "b" * 32])
    assert exited.value.exit_code == 1


@pytest.mark.parametrize(
    ("status", "options", "code", "asked"),
    [
        ("completed", ("--wait",), 0, 2),
        ("partial", ("--wait",), 8, 2),
        ("failed", ("--wait",), 1, 2),
        ("failed", (), 0, 1),
        ("failed", ("--wait", "--no-backfill"), 0, 0),
        ("refused", ("--wait",), 0, 1),
    ],
)
def test_a_repair_submits_and_waits_as_it_is_told(
    damaged: Kaboom, monkeypatch: pytest.MonkeyPatch, status: str, options: tuple[str, ...], code: int, asked: int
) -> None:
    calls: list[str] = []

    def answer(request: Request) -> Response:
        calls.append(request.method)
        return Response(409, b"{}") if status == "refused" else job_of(status)

    with serving(answer) as url:
        monkeypatch.setenv("KABOOM_API_URL", url)
        monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
        done = damaged("bars", "repair", *options)
    assert (done.code, len(calls)) == (code, asked)
    submitted = [line for line in done.out.splitlines() if line.startswith("j1  kaboom ingest backfill")]
    assert len(submitted) == int(asked > 0 and status != "refused")
    assert "nothing is damaged" in damaged("bars", "repair", "--no-backfill").out
