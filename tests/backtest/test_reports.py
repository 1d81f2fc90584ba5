"""What a backtest leaves to look at: its report as HTML, JSON and PNG, a sweep's surface, and runs side by side."""

import csv
import io
import itertools
import math
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaboom.backtest.report.charts import draw_curve, draw_equity
from kaboom.backtest.report.content import ReportContent
from kaboom.backtest.report.picture import picture_of
from kaboom.backtest.report.text import Words
from kaboom.bars.open import build_bar_store
from kaboom.pictures import process
from kaboom.pictures.model import Candlesticks
from tests.backtest.test_runs import ASKED, GRID, RESULTS, RUN, SWEEP, run_job
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, client_of, memory_settings, running

pytestmark = pytest.mark.anyio
COMPARE = "/api/v1/backtest/compare"
#: The most that a report may have, bytes.
MOST_BYTES = 300_000


async def run_one(client: httpx2.AsyncClient, **body: Any) -> str:
    done = await run_job(client, RUN, ASKED | body)
    assert done["status"] == "completed", done["error"]
    return str(done["job_id"])


async def test_a_report_has_the_same_numbers_in_every_form(tested: httpx2.AsyncClient) -> None:
    job_id = await run_one(tested, parameters={"fast": 5, "slow": 20}, model={"fees": {"rate": 0.001}})
    path = f"{RESULTS}/{job_id}"
    found, report = [(await tested.get(each)).json() for each in (path, f"{path}/report.json")]
    curves, metrics = report["curves"], found["metrics"]
    rows = list(csv.DictReader(io.StringIO((await tested.get(f"{path}/equity.csv")).text)))
    for name in ("equity", "benchmark", "drawdown", "exposure"):
        assert curves[name] == pytest.approx([float(row[name]) for row in rows], abs=0.01)
    assert min(curves["drawdown"]) == pytest.approx(metrics["max_drawdown"], abs=1e-6)
    assert math.prod(1 + year["total"] for year in report["years"]) - 1 == pytest.approx(
        metrics["total_return"], abs=1e-4
    )
    assert (report["counts"]["count"] - report["counts"]["open"], report["costs"]["fees"]) == (
        metrics["trades"],
        metrics["fees"],
    )
    assert report["benchmark_metrics"]["total_return"] == pytest.approx(found["benchmark"]["total_return"])
    answer = await tested.get(f"{path}/report.html")
    assert answer.headers["content-disposition"] == f'inline; filename="{job_id[:8]}-report.html"'
    html = answer.text
    (row,) = re.findall(r"<tr><th>(?:(?!</th>).)*Sortino.*?</tr>", html)
    shown = re.findall(r"<td class=num>([^<]*)<", row)[1].replace("\N{MINUS SIGN}", "-")
    assert float(shown) == pytest.approx(report["benchmark_metrics"]["sortino"], abs=0.005)
    below = [value < 0 for value in curves["drawdown"]]
    runs = re.findall("1+", "".join(str(int(each)) for each in below))
    assert report["longest_below_peak"] == max(map(len, runs))
    assert {place for place, _ in report["candles"]["fills"]} <= set(range(len(report["candles"]["bars"])))
    assert report["disclaimer"]["ja"].startswith("過去のデータによるシミュレーションであり、将来の成果を保証しません。")


async def test_a_trade_of_a_report_is_held_for_the_sessions_from_its_entry_to_its_exit_or_the_last_one(
    tested: httpx2.AsyncClient,
) -> None:
    job_id = await run_one(tested, strategy="buy_and_hold", parameters={})
    report = (await tested.get(f"{RESULTS}/{job_id}/report.json")).json()
    days, trades = report["curves"]["days"], report["trades"]
    assert report["counts"]["open"]
    assert [trade["sessions"] for trade in trades] == [
        days.index((trade["exit_at"] or days[-1])[:10]) - days.index(trade["entry_at"][:10]) for trade in trades
    ]


async def test_months_of_a_report_are_rounded_to_a_hundredth_of_a_basis_point(tested: httpx2.AsyncClient) -> None:
    job_id = await run_one(tested, parameters={"fast": 5, "slow": 20})
    report = (await tested.get(f"{RESULTS}/{job_id}/report.json")).json()
    curves, last = report["curves"], dict[str, float]()
    for day, equity in zip(curves["days"], curves["equity"], strict=True):
        last[day[:7]] = equity
    months = [month for month in sorted(last) if month > min(last)]
    gains = {month: last[month] / last[before] - 1 for before, month in itertools.pairwise(sorted(last))}
    shown = {int(year["year"]): year["months"] for year in report["years"]}
    assert [shown[int(month[:4])][int(month[5:]) - 1] for month in months] == [
        pytest.approx(round(gains[month], 6), abs=1e-12) for month in months
    ]
    assert [year["year"] for year in report["years"]] == sorted(shown, reverse=True)


async def test_curves_without_values_are_not_drawn(tested: httpx2.AsyncClient) -> None:
    job_id = await run_one(tested)
    answer = await tested.get(f"{RESULTS}/{job_id}/report.json")
    content, words = ReportContent.model_validate_json(answer.content, strict=False), Words(("en",))
    assert "deepest drawdown" in draw_equity(content, "mine", words)
    none: list[float | None] = [None] * len(content.curves.days)
    for names in (("equity", "benchmark"), ("drawdown", "benchmark_drawdown")):
        curves = content.curves.model_copy(update=dict.fromkeys(names, none))
        assert draw_equity(content.model_copy(update={"curves": curves}), "mine", words) == ""
    assert draw_curve(content.curves.days, none, "exposure") == ""
    assert draw_curve(content.curves.days, content.curves.exposure, "exposure") != ""


async def test_a_report_is_one_file_that_asks_nobody_and_opens_in_either_language(tested: httpx2.AsyncClient) -> None:
    job_id = await run_one(tested)
    english, japanese = [
        (await tested.get(f"{RESULTS}/{job_id}/report.html", params=query)).text for query in ({}, {"lang": "ja"})
    ]
    assert len(english.encode()) < MOST_BYTES
    assert re.findall(r"https?://|<script|<link|@import|url\(", english) == []
    assert (re.findall(r'id="(\w\w)" checked', english), re.findall(r'id="(\w\w)" checked', japanese)) == (
        ["en"],
        ["ja"],
    )
    assert (await tested.get(f"{RESULTS}/{job_id}/report.html", params={"lang": "fr"})).status_code == 422


async def test_daily_candles_of_a_picture_have_days_and_minutes_have_times(tested: httpx2.AsyncClient) -> None:
    job_id = await run_one(tested)
    answer = await tested.get(f"{RESULTS}/{job_id}/report.json")
    content = ReportContent.model_validate_json(answer.content, strict=False)
    (candles,) = [each for each in picture_of(content).panels if isinstance(each, Candlesticks)]
    assert candles.times[-1] == content.curves.days[-1].isoformat()
    assert content.candles
    in_day = content.candles.model_copy(update={"times": [f"{at[:10]}T05:30:00Z" for at in content.candles.times]})
    panels = picture_of(content.model_copy(update={"candles": in_day})).panels
    (candles,) = [each for each in panels if isinstance(each, Candlesticks)]
    assert candles.times[-1] == f"{content.curves.days[-1]:%m-%d} 14:30"


async def test_a_picture_says_parameters_in_the_order_of_declaration(tested: httpx2.AsyncClient) -> None:
    job_id = await run_one(tested)
    answer = await tested.get(f"{RESULTS}/{job_id}/report.json")
    content = ReportContent.model_validate_json(answer.content, strict=False)
    turned = dict(reversed(content.summary.parameters.items()))
    summary = content.summary.model_copy(update={"parameters": turned})
    assert picture_of(content.model_copy(update={"summary": summary})).sub == picture_of(content).sub


async def test_a_report_is_drawn_in_a_process_of_its_own(
    tested: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await run_one(tested)
    answer = await tested.get(f"{RESULTS}/{job_id}/report.png", params={"lang": "ja"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    monkeypatch.setattr(process, "find_spec", lambda _: None)
    without = await tested.get(f"{RESULTS}/{job_id}/report.png")
    assert (without.status_code, "kaboom-api[pictures]" in without.json()["detail"]) == (404, True)


async def test_a_surface_has_the_best_trial_of_each_cell(tested: httpx2.AsyncClient) -> None:
    choices = GRID | {"side": ["long", "both"]}
    done = await run_job(tested, SWEEP, ASKED | {"parameters": choices, "model": {"allows_short": True}})
    path = f"{RESULTS}/{done['job_id']}"
    found = (await tested.get(f"{path}/surface.json")).json()
    trials = list(csv.DictReader(io.StringIO((await tested.get(f"{path}/trials.csv")).text)))
    assert [(each["x"], each["y"]) for each in found["surfaces"]] == [
        ("fast", "slow"), ("fast", "side"), ("slow", "side"),
    ]  # fmt: skip
    (first, *_) = found["surfaces"]
    for place, cell in enumerate(first["cells"]):
        slow, fast = divmod(place, len(first["x_values"]))
        wanted = (str(first["x_values"][fast]), str(first["y_values"][slow]))
        mine = [trial for trial in trials if (trial["fast"], trial["slow"]) == wanted]
        if not mine:
            assert cell is None
            continue
        best = max(mine, key=lambda trial: float(trial["sharpe"]))
        assert (cell[0], cell[2]) == (int(best["number"]), pytest.approx(float(best["sharpe"]), abs=1e-6))
    run = await run_one(tested)
    assert (await tested.get(f"{RESULTS}/{run}/surface.json")).status_code == 404
    assert (await tested.get(COMPARE, params={"job": [run, done["job_id"]]})).status_code == 200


async def test_runs_are_compared(tested: httpx2.AsyncClient) -> None:
    one = await run_one(tested, parameters={"fast": 5, "slow": 20})
    two = await run_one(tested, parameters={"fast": 8, "slow": 20}, sessions=200)
    turned = (await tested.get(COMPARE, params={"job": [two, one, two]})).json()
    assert [each["job_id"] for each in turned["items"]] == [two, one]
    found = (await tested.get(COMPARE, params={"job": [one, two]})).json()
    assert [each["job_id"] for each in found["items"]] == [one, two]
    assert {len(each["curve"]) for each in found["items"]} == {200} == {len(found["days"])}
    assert [each["curve"][0] for each in found["items"]] == [100, 100]
    curves = (await tested.get(f"{RESULTS}/{one}/report.json")).json()["curves"]
    assert found["items"][0]["curve"][-1] == pytest.approx(
        100 * curves["equity"][-1] / curves["equity"][-200], abs=1e-3
    )
    differences = {each["name"]: each["values"] for each in found["differences"]}
    assert differences["parameters.fast"] == [5, 8]
    assert list(differences) == ["parameters.fast", "first", "session_count", "as_of", "fingerprint"]
    assert "parameters.slow" not in differences
    assert (found["has_same_bars"], "fingerprint" in differences) == (False, True)
    other = await run_one(tested, parameters={"fast": 5, "slow": 20}, symbols=["6758"])
    found = (await tested.get(COMPARE, params={"job": [one, other]})).json()
    assert found["differences"][0]["name"] == "symbols"
    assert found["differences"][0]["values"][1] == ["6758"]
    same = await run_one(tested, parameters={"fast": 9, "slow": 20})
    found = (await tested.get(COMPARE, params={"job": [one, same]})).json()
    assert (found["has_same_bars"], {each["name"] for each in found["differences"]}) == (
        True,
        {"parameters.fast", "as_of"},
    )


@pytest.mark.parametrize("ids", [[], ["0" * 32], ["x", "y"], ["0" * 32] * 9])
async def test_invalid_comparisons_are_rejected(tested: httpx2.AsyncClient, ids: list[str]) -> None:
    assert (await tested.get(COMPARE, params={"job": ids})).status_code == 422


async def test_another_owner_finds_no_report(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, bar_store="pages")
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings, authenticators=[OTHER_OWNER]) as app, client_of(app) as client:
        job_id = await run_one(client)
        async with client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other:
            for name in ("report.json", "report.png", "report.html"):
                assert (await other.get(f"{RESULTS}/{job_id}/{name}")).status_code == 404
            assert (await other.get(COMPARE, params={"job": [job_id, "0" * 32]})).status_code == 404
    await store.close()
