"""The client reads what the API has, and the same from a folder; its examples run; its errors are one tree."""

import asyncio
import doctest
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kaboom
import kaboom.client.client
from kaboom.bars.export.publish import Publication, plan_run, publish
from kaboom.bars.memory import MemoryBarStore
from kaboom.client.connection import ServerSource
from kaboom.client.jobs import Job, open_bar
from kaboom.client.places import find_data_dir, find_url
from kaboom.client.portfolios import find_portfolio
from kaboom.client.wire import Retries, Wire
from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.objects import LocalFolder
from kaboom.errors import JobFailed
from kaboom.market.bar import BAR_SCHEMA
from tests.client.conftest import START, SYMBOLS
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, at, bar, frame
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Request, Response, serving
from tests.fixtures.servers.stacks import Api


def find_examples() -> list[doctest.DocTest]:
    found = doctest.DocTestFinder().find(kaboom.client.client.Kaboom, "Kaboom", extraglobs={})
    return sorted((test for test in found if test.examples), key=lambda test: test.lineno or 0)


@pytest.mark.parametrize("example", find_examples(), ids=lambda example: example.name)
def test_examples_run(kb: kaboom.Kaboom, example: doctest.DocTest) -> None:
    example.globs["kb"] = kb
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    assert (result.failed, "".join(told)) == (0, "")


@pytest.mark.parametrize("adjusted", [True, False])
def test_a_folder_has_the_bars_of_its_server(kb: kaboom.Kaboom, folder: kaboom.Kaboom, *, adjusted: bool) -> None:
    over_http = kb.bars(SYMBOLS, "1d", START, adjusted=adjusted)
    assert over_http.height > 60
    assert over_http.schema == pl.Schema({**BAR_SCHEMA, "date": pl.Date()})
    assert_frame_equal(folder.bars(SYMBOLS, "1d", START, adjusted=adjusted), over_http)
    assert_frame_equal(folder.bars(interval="1d", start=START, adjusted=adjusted), over_http)
    whole = kb.bars(SYMBOLS, "1d", START, adjusted=adjusted, total_return=True)
    assert_frame_equal(folder.bars(SYMBOLS, "1d", START, adjusted=adjusted, total_return=True), whole)


def test_a_folder_has_the_references_of_its_server(kb: kaboom.Kaboom, folder: kaboom.Kaboom) -> None:
    day = date(2025, 11, 4)
    assert_frame_equal(folder.universe("TSE_GROWTH", day), kb.universe("TSE_GROWTH", day))
    assert_frame_equal(folder.calendar(day), kb.calendar(day))
    assert_frame_equal(folder.coverage("1d", symbols=["7203"]), kb.coverage("1d", symbols=["7203"]))


def test_coroutines_get_the_same(kb: kaboom.Kaboom, folder: kaboom.Kaboom) -> None:
    async def read() -> pl.DataFrame:
        # In a notebook a loop runs while a folder is read.
        assert folder.bars("7203", start=START).height
        return await kaboom.AsyncKaboom(kb).bars("7203", start=START)

    assert_frame_equal(asyncio.run(read()), kb.bars("7203", start=START))


def test_a_mirror_has_raw_bars(kb: kaboom.Kaboom, mirror: kaboom.Kaboom) -> None:
    raw = kb.bars("7203", "1d", START, adjusted=False)
    assert_frame_equal(mirror.bars("7203", "1d", START, adjusted=False), raw)
    with pytest.raises(kaboom.InvalidRequest, match="expected adjusted=False"):
        mirror.bars("7203", "1d", START, adjusted=True)


def test_a_mirror_with_a_manifest_is_read_by_it(tmp_path: Path) -> None:
    async def publish_twice() -> None:
        store, folder = MemoryBarStore(), LocalFolder(tmp_path)
        for close in (100.0, 200.0):
            await store.write(DAILY, frame(bar("7203", at(JUNE_2), close)))
            await publish(store, folder, await plan_run(store, folder, Publication(datetime.now(UTC))))

    asyncio.run(publish_twice())
    assert len(list(tmp_path.glob("synthetic/1d/*.parquet"))) == 2
    found = kaboom.connect(mirror=tmp_path).bars("7203", "1d", "2025-06-01", "2025-07-01", adjusted=False)
    assert found["close"].to_list() == [200.0]


@pytest.mark.parametrize("provider", ["jquants", None])
def test_a_mirror_says_what_it_does_not_have(tmp_path: Path, mirror: kaboom.Kaboom, provider: str | None) -> None:
    place = tmp_path if provider else tmp_path / "nowhere"
    said = f"no bars of 1d of {provider or 'any provider'} are in the mirror {place}"
    with pytest.raises(kaboom.NotFound, match=f"^{re.escape(said)}$"):
        kaboom.connect(mirror=place).bars("7203", provider=provider, adjusted=False)


def test_a_mirror_warns_when_it_was_not_asked_for_raw_bars(kb: kaboom.Kaboom, mirror: kaboom.Kaboom) -> None:
    with pytest.warns(UserWarning, match="not adjusted for splits") as caught:
        found = mirror.bars()
    assert caught[0].filename == __file__
    assert_frame_equal(found, kb.bars(start=START, adjusted=False))


def test_pandas_gets_the_same_values(kb: kaboom.Kaboom) -> None:
    bars = kb.bars(SYMBOLS, "1d", START)
    frame = kaboom.to_pandas(bars)
    assert str(frame["opened_at"].dt.tz) == "UTC"
    assert frame["opened_at"].to_list() == bars["opened_at"].to_list()
    assert frame["close"].to_list() == bars["close"].to_list()
    assert [at.date() for at in frame["date"]] == bars["date"].to_list()


def test_pandas_gets_times_of_another_zone_as_the_same_instants() -> None:
    tokyo = pl.DataFrame({"opened_at": [datetime(2025, 6, 2, 9, tzinfo=ZoneInfo("Asia/Tokyo"))]})
    times = kaboom.to_pandas(tokyo)["opened_at"]
    assert str(times.dt.tz) == "Asia/Tokyo"
    assert times.to_list() == tokyo["opened_at"].to_list()


def test_what_needs_a_server_says_so(folder: kaboom.Kaboom) -> None:
    with pytest.raises(kaboom.NeedsServer, match="kaboom up"):
        folder.submit("ingest.run_daily")


def test_no_symbol_is_not_every_symbol(kb: kaboom.Kaboom, folder: kaboom.Kaboom) -> None:
    for source in (kb, folder):
        for wrong in (7203.0, ["6758", 7203.0]):
            with pytest.raises(kaboom.InvalidRequest, match=r"symbol was 7203\.0, expected a TSE local code"):
                source.bars(wrong)  # type: ignore[arg-type]
        with pytest.raises(kaboom.InvalidRequest, match="symbols was empty"):
            source.bars([], "1d")
        with pytest.raises(kaboom.InvalidRequest, match="symbols was empty"):
            source.coverage("1d", symbols=[])
    with pytest.raises(kaboom.InvalidRequest, match="symbols was empty"):
        kb.backtest("sma_cross", [], market="TSE_PRIME")


def test_problems_are_errors_of_one_tree(server: Api, kb: kaboom.Kaboom) -> None:
    with pytest.raises(kaboom.NotAuthorized):
        kaboom.connect(server.url, "x" * 40).bars("7203")
    with pytest.raises(kaboom.NotFound, match="there are: "):
        kb.portfolio("none of this name")
    with pytest.raises(kaboom.InvalidRequest, match="symbol") as caught:
        kb.bars("72033")
    assert isinstance(caught.value, kaboom.KaboomError)
    with pytest.raises(kaboom.InvalidRequest, match="nearest to 9998: 9997, "):
        kb.submit("ingest.run_daily", intervals={"1d": 1}, symbols=["9998"])
    for wrong, expected in (("ingest.rundaily", "ingest.run_daily$"), ("zzz.qqq", r"one of .*backtest\.run, ")):
        with pytest.raises(kaboom.NotFound, match=f"task was '{wrong}', expected {expected}"):
            kb.submit(wrong)
    with pytest.raises(kaboom.JobFailed) as failed:
        kb.backtest("sma_cross", "9984", timeout_s=60)
    assert failed.value.job["status"] == "failed"


def test_an_unreachable_server_is_unavailable() -> None:
    with pytest.raises(kaboom.Unavailable, match="did not answer"):
        kaboom.connect(f"http://127.0.0.1:{free_port()}", "token")


def test_a_folder_and_an_address_that_are_named_come_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (find_data_dir(), find_url(None, tmp_path)) == (Path(".kaboom"), None)
    monkeypatch.setenv("KABOOM_DATA_DIR", "of-the-environment")
    monkeypatch.setenv("KABOOM_API_URL", "http://of-the-environment")
    assert (find_data_dir(), find_data_dir("named")) == (Path("of-the-environment"), Path("named"))
    named = "http://named"
    assert (find_url(None, tmp_path), find_url(named, tmp_path)) == ("http://of-the-environment", named)


def test_nothing_to_connect_to_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KABOOM_API_URL", raising=False)
    with pytest.raises(kaboom.NeedsServer, match="run `kaboom up`"):
        kaboom.connect(data_dir=tmp_path)


def test_a_read_that_was_put_off_is_made_again() -> None:
    answers = [Response(503, b"{}", {"Retry-After": "0"}), Response(429, b"{}", {"Retry-After": "0"})]
    answers.append(Response(200, b'{"items": []}'))
    with serving(lambda _: answers.pop(0)) as url:
        assert Wire(url, "token", retries=Retries(2, (429, 503))).call("GET", "/x") == {"items": []}


def test_a_request_takes_days_decimals_and_arrays() -> None:
    with serving(lambda request: Response(200, request.body)) as url:
        values = {"day": date(2025, 11, 4), "fee": Decimal("0.10"), "fast": np.arange(2), "cash": float("nan")}
        sent = Wire(url, "token").call("POST", "/x", json=values)
        assert sent == {"day": "2025-11-04", "fee": "0.10", "fast": [0, 1], "cash": None}
        with pytest.raises(kaboom.InvalidRequest, match="cannot be sent as JSON"):
            Wire(url, "token").call("POST", "/x", json={"symbols": {"7203"}})


def test_a_table_of_several_pages_is_one_frame() -> None:
    frames = [pl.DataFrame({"session": [date(2025, 11, day)]}) for day in (4, 5)]

    def answer(request: Request) -> Response:
        is_first = "cursor" not in request.target
        link = {"Link": '</api/v1/calendar?cursor=x>; rel="next"'} if is_first else {}
        return Response(200, _stream(frames[0 if is_first else 1]), link)

    with serving(answer) as url:
        found = ServerSource(Wire(url, TOKEN)).calendar(date(2025, 11, 1), date(2025, 11, 5))
    assert_frame_equal(found, pl.concat(frames))


def test_a_job_is_cancelled_with_or_without_a_reason() -> None:
    asked = list[tuple[str, bytes]]()

    def answer(request: Request) -> Response:
        asked.append((f"{request.method} {request.path}", request.body))
        return Response(200, b'{"job_id": "a", "status": "cancelling"}')

    with serving(answer) as url:
        job = Job(Wire(url, TOKEN), "/jobs/a", {})
        assert job.cancel().cancel(reason="a trial").status == "cancelling"
    assert [body for call, body in asked if call == "POST /jobs/a/cancel"] == [b"", b'{"reason":"a trial"}']


class ZMQInteractiveShell:
    """The shell of a notebook, by its name."""


def test_a_notebook_shows_a_bar_and_no_markup_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    display = ModuleType("IPython.display")
    display.HTML = str  # type: ignore[attr-defined]
    display.display = lambda html, **_: SimpleNamespace(update=shown.append, html=html)  # type: ignore[attr-defined]
    shell = ModuleType("IPython")
    shell.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    for name, module in {"IPython": shell, "IPython.display": display}.items():
        monkeypatch.setitem(sys.modules, name, module)
    with open_bar(is_shown=True) as show:
        show({"status": "queued"})
        show({"status": "running", "progress": {"done": 1_200, "failed": 30, "cancelled": 4, "total": 5_000}})
        show({"status": "<img src=x>", "progress": None})
    assert shown == [
        "<progress ></progress> queued",
        '<progress value="1234" max="5000"></progress> running 1,234/5,000',
        "<progress ></progress> &lt;img src=x&gt;",
    ]


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize(
    ("status", "is_well"), [("completed", True), ("partial", True), ("failed", False), ("cancelled", False)]
)
def test_a_wait_returns_only_a_job_that_ended_well(status: str, *, is_well: bool, progress: bool) -> None:
    error = {"type": "InvalidRequest", "message": "why"} if status == "failed" else None
    record = {"job_id": "a", "status": status, "task": "ingest.run_daily", "error": error, "progress": {"total": 0}}
    with serving(lambda _: Response(200, orjson.dumps(record))) as url:
        job = Job(Wire(url, TOKEN), "/jobs/a", {"job_id": "a", "status": "running"})
        if is_well:
            assert job.wait(progress=progress, timeout_s=30).status == status
        else:
            reason = "why" if status == "failed" else "no reason given"
            with pytest.raises(JobFailed, match=f"^job a {status}: {reason}$") as caught:
                job.wait(progress=progress, timeout_s=30)
            assert caught.value.job == record


def test_a_cancelled_job_of_a_server_is_no_success(kb: kaboom.Kaboom) -> None:
    job = kb.submit("ingest.run_daily", intervals={"1m": 3}, session="2025-11-04").cancel()
    with pytest.raises(JobFailed, match="cancelled"):
        job.wait(timeout_s=60)


def _stream(frame: pl.DataFrame) -> bytes:
    return frame.write_ipc_stream(None).getvalue()


def test_an_import_loads_nothing() -> None:
    code = "import sys, kaboom; kaboom.__all__; print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert {"polars", "httpx2", "rich", "pydantic", "kaboom.cli"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", kaboom.__all__)
def test_every_name_has_its_home(name: str) -> None:
    assert getattr(kaboom, name).__module__.startswith(("kaboom.", "kaboom.errors"))


def test_a_portfolio_is_found_by_its_name_before_its_id_or_all_names_are_told() -> None:
    items = [{"id": "a1", "name": "日本株"}, {"id": "b2", "name": "a1"}]
    with serving(lambda _: Response(200, orjson.dumps({"items": items}))) as url:
        wire = Wire(url, TOKEN)
        assert [find_portfolio(wire, wanted).id for wanted in ("日本株", "a1", "b2")] == ["a1", "b2", "b2"]
        with pytest.raises(kaboom.NotFound, match=r"^portfolio was 'x{60}', there are: 日本株, a1$"):
            find_portfolio(wire, "x" * 61)
        items.clear()
        with pytest.raises(kaboom.NotFound, match=r"^portfolio was 'a1', there are: none$"):
            find_portfolio(wire, "a1")
