"""Every command that talks to the API, byte for byte: what it asks, what it prints, and its exit code.

`tests/cli/transcripts/*.txt` hold a block for each call:

    $ kaboom jobs list                  the call, in the words of a shell; `<<< text` at its end is its stdin
    < GET /api/v1/jobs {"items": []}    what the API answers, if not the example of its description;
                                        `@ingest.backfill failed` is an ended job with the example of its result,
                                        of which JSON after the state changes fields
    GET /api/v1/jobs?limit=20           what it was asked, with the body and the Idempotency-Key, if any
    = 0                                 the exit code; then stdout, and stderr with `! ` before each line;
                                        `(the answer)` is the last answer as JSON

Those of `held.txt` run on a data folder of a few bars, at 17:00 in Japan on 2025-11-05.

`KABOOM_RECORD=1 pytest tests/cli/test_transcripts.py` writes them again: read the difference before you keep it.
"""

import asyncio
import io
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import typer

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.pages.store import PageBarStore
from kaboom.catalog import CATALOG
from kaboom.cli.index import INDEX
from kaboom.market.action import ActionState
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import is_session
from kaboom.market.interval import Interval
from tests.cli.output.test_results import job_of
from tests.fixtures.bars.noted_actions import dividend_note, note
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day, refused
from tests.fixtures.cli import Kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.jobs.example_results import RESULTS
from tests.fixtures.servers.example_api import ExampleApi, example_api
from tests.fixtures.servers.http_servers import Response

FOLDER = Path(__file__).parent / "transcripts"
#: The time of `held.txt`.
NOW = datetime(2025, 11, 5, 8, tzinfo=UTC)
#: How a job in another state than `partial` differs from one.
_STATES: dict[str, dict[str, Any]] = {
    "failed": {"result": None, "error": {"type": "InvalidRequest", "message": "why"}},
    "running": {"result": None, "error": None, "completed_at": None},
}
_TRADES = "day,kind,symbol,quantity,price,fee,amount,note\n2025-11-04,buy,7203,100,2841.5,99,,first\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    """An API that answers with examples."""
    with example_api(tmp_path_factory.mktemp("examples")) as running:
        yield running


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with daily bars of two symbols, minutes, rejected rows, a reported split and a suspected one."""
    folder = tmp_path_factory.mktemp("held") / "data"
    days = [day for day in (date(2025, 8, 1) + timedelta(n) for n in range(97)) if is_session(day)]

    async def write() -> None:
        store, actions = PageBarStore(folder / "bars", clock=lambda: NOW), SqliteActionStore(folder / "bars")
        rows = [
            bar(symbol, at(day), close + n, volume=1000 * n, flags=n == 3)
            for symbol, close in (("6758", 3000.0), ("7203", 1000.0))
            for n, day in enumerate(days)
        ]
        await store.write(DAILY, frame(*rows))
        await store.write(BarSeries("file", Interval.D1), frame(bar("7203", at(days[-1]), 1234.5)))
        await store.write(MINUTES, pl.concat([full_day(["6758", "7203"], day) for day in days[-2:]]).slice(0, 1_200))
        await store.quarantine(MINUTES, refused((*bar("7203", at(days[-1], 9)), "off_grid")))
        await actions.save("synthetic", note("6758", days[-2], 0.2))
        await actions.save("synthetic", note("7203", days[-1], 0.5, ActionState.SUSPECTED))
        await actions.save("synthetic", dividend_note("7203", days[-3], 45.0))
        await store.close()

    asyncio.run(write())
    return folder


def blocks_of(name: str) -> list[str]:
    return re.split(r"\n\n(?=\$ )", (FOLDER / name).read_text().rstrip("\n"))


def cases() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.txt")):
        for n, block in enumerate(blocks_of(path.name)):
            yield pytest.param(path.name, n, id=f"{path.stem}: {block.partition(chr(10))[0][2:]}")


@pytest.mark.parametrize(("name", "n"), list(cases()))
def test_call_is_as_recorded(
    api: ExampleApi, held: Path, kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, n: int
) -> None:
    blocks = blocks_of(name)
    call, *rest = blocks[n].splitlines()
    plans = [line for line in rest if line.startswith("< ")]
    monkeypatch.setenv("KABOOM_API_URL", api.url)
    if name == "held.txt":
        shutil.copytree(held, tmp_path / "data")
        monkeypatch.setenv("KABOOM_DATA_DIR", "data")
        monkeypatch.setattr("kaboom.drivers.clock.utc_now", lambda: NOW)
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    command, _, typed = call.removeprefix("$ kaboom ").partition(" <<< ")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    write_files(tmp_path)
    api.asked.clear()
    api.planned[:] = map(plan_of, plans)
    done = kaboom(*shlex.split(command))
    errors = [f"! {line}" for line in done.err.splitlines()]
    shown = ["(the answer)"] if is_answer(done.out, api.last) else done.out.splitlines()
    files = [
        f"{path.name}: {path.stat().st_size > 0}"
        for path in sorted(tmp_path.iterdir())
        if path.suffix in {".html", ".png"}
    ]
    lines = [call, *plans, *api.asked, *files, f"= {done.code}", *shown, *errors]
    found = "\n".join(line.rstrip() for line in lines).replace(api.url, "http://api")
    if os.environ.get("KABOOM_RECORD"):
        blocks[n] = found
        (FOLDER / name).write_text("\n\n".join(blocks) + "\n")
    assert found.splitlines() == blocks[n].splitlines()


def write_files(folder: Path) -> None:
    """Write what commands read: entries of a portfolio, and bars in files, some of them wrong."""
    (folder / "trades.csv").write_text(_TRADES)
    own = folder / "own"
    own.mkdir()
    head, good = "Date,Open,High,Low,Close,Volume", "1300,1310,1290,1305,1000"
    (own / "1111.csv").write_text(f"{head},Weather\n2024-02-01,{good},a\n2024-02-02,{good},b\n")
    wrong = "".join(f"2024-02-{day:02},1300,1290,1310,1305,1\n" for day in (5, 6, 7, 8, 9, 13, 14, 15))
    (own / "2222.csv").write_text(f"{head}\n2024-02-02,{good}\n{wrong}")
    (own / "3333.csv").write_text("a,b\n1,2\n")
    (own / "4444.csv").write_text(
        f"time,Open,High,Low,Close,Volume\n2024-02-02 09:00,{good}\n2024-02-02 09:01,{good}\n"
    )


def plan_of(line: str) -> tuple[str, str, Response]:
    """Return the method, the path and the answer of a line `< GET /path [status] JSON`."""
    method, path, text = line.removeprefix("< ").split(" ", 2)
    if text.startswith("@"):
        task, status, *more = text.removeprefix("@").split(" ", 2)
        result = RESULTS[task] | orjson.loads("".join(more) or "{}")
        job = job_of(CATALOG.require(task), result) | {"job_id": path.rpartition("/")[2], "status": status}
        job |= {} if status == "partial" else _STATES.get(status, {"error": None})
        return method, path, Response(200, orjson.dumps(job))
    status, _, body = text.partition(" ") if text[:3].isdigit() else ("200", "", text)
    return method, path, Response(int(status), body.encode())


def is_answer(out: str, answer: bytes) -> bool:
    try:
        return out[:1] in {"{", "["} and orjson.loads(out) == orjson.loads(answer)
    except orjson.JSONDecodeError:
        return False


#: Commands that run or look at processes and machines, and those that read stdin for secrets alone: their own tests.
_ELSEWHERE = frozenset({
    "ai fake-openrouter", "backup", "bars mirror", "config show", "demo", "dev new", "doctor", "migrate", "openapi",
    "pipelines example", "providers test", "restore", "serve", "smoke", "symbols import", "up", "worker",
})  # fmt: skip


def test_every_command_is_recorded() -> None:
    def leaves(name: str, loaded: Any) -> Iterator[str]:
        if isinstance(loaded, typer.Typer):
            yield from (f"{name} {each}" for each in getattr(typer.main.get_group(loaded), "commands", ()))
        else:
            yield name

    commands = {leaf for name, entry in INDEX.items() for leaf in leaves(name, entry.load(name))}
    # One function makes all of these from the job types.
    commands -= {f"{job_type.queue.path} {job_type.verb}" for job_type in CATALOG}
    lines = [block.partition("\n")[0] for path in FOLDER.glob("*.txt") for block in blocks_of(path.name)]
    calls = [line.removeprefix("$ kaboom ").removeprefix("--lang ja ") for line in lines]
    recorded = {command for command in commands if any(f"{call} ".startswith(f"{command} ") for call in calls)}
    assert commands - recorded == _ELSEWHERE
