"""Tables and lines for people: 80 columns wide and JST in both languages, while JSON stays English and UTC."""

import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from rich.cells import cell_len

from kaboom.cli.output.headline import describe_job, describe_progress
from kaboom.cli.output.summary import print_summary
from kaboom.cli.output.text import to_jst_line
from kaboom.cli.session import Session
from kaboom.text.catalogue import Language
from kaboom.text.speaker import Speaker
from tests.fixtures.cli import Done, Kaboom, Scripted
from tests.fixtures.jobs.example_results import RESULTS
from tests.text.texts import JAPANESE

PROGRESS = {"done": 1_590, "failed": 2, "total": 1_592, "cancelled": 0, "rows": 413_515, "rate": 642.0, "eta_s": None}
JOB: dict[str, Any] = {
    "job_id": "a" * 32,
    "queue": "market_data",
    "task": "market_data.refresh_quotes",
    "status": "partial",
    "market": "TSE_PRIME",
    "intervals": {"1m": 1},
    "requested_at": "2025-11-04T15:00:00Z",
    "completed_at": "2025-11-04T15:00:04Z",
    "progress": PROGRESS,
    "result": None,
    "error": None,
}
PAGE = {"items": [JOB, JOB | {"job_id": "b" * 32, "status": "cancelled"}], "next_cursor": None}


@pytest.fixture
def narrow(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run `kaboom …` on a terminal of 80 columns, or as many as the call says, that knows no colours."""
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: str, columns: int = 80) -> Done:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return kaboom(*arguments)

    return run


def widest(text: str) -> int:
    return max(cell_len(line) for line in text.splitlines())


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(("language", "header", "status"), [("en", "(JST)", "partial"), ("ja", "受付", "一部失敗")])
def test_jobs_are_listed_on_a_narrow_terminal(
    narrow: Callable[..., Done], scripted: Scripted, language: str, header: str, status: str, columns: int
) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    out = narrow("--lang", language, "jobs", "list", columns=columns).out
    assert widest(out) <= columns
    assert out.splitlines()[0].split()[-1].startswith(header)
    assert {"a" * 32, "b" * 32} <= set(out.split())
    assert header in out
    assert {status, "market_data.refresh_quotes"} <= set(out.split())
    assert "JST" in out
    # 15:00 in London is 00:00 of the next day in Tokyo.
    assert "11-05" in out
    assert "…" not in out


@pytest.mark.parametrize("language", ["en", "ja"])
def test_wide_lists_show_every_field(kaboom: Kaboom, scripted: Scripted, language: str) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    out = kaboom("--lang", language, "jobs", "list").out
    assert "2025-11-05 00:00" in out
    assert "TSE_PRIME" in out
    assert "413,515" in out


@pytest.mark.parametrize(
    ("arguments", "queues"),
    [
        ((), ["ingest", "ai_analysis", "backtest", "market_data"]),
        (("--all",), []),
        (("--queue", "notifications"), ["notifications"]),
    ],
)
def test_deliveries_are_listed_only_where_they_are_asked_for(
    kaboom: Kaboom, scripted: Scripted, arguments: tuple[str, ...], queues: list[str]
) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    assert kaboom("jobs", "list", *arguments).code == 0
    assert parse_qs(urlsplit(scripted.seen[-1][0]).query).get("queue", []) == queues


@pytest.mark.parametrize("columns", [60, 200])
def test_a_job_without_items_has_no_counts(narrow: Callable[..., Done], scripted: Scripted, columns: int) -> None:
    none = dict.fromkeys(("total", "done", "failed", "cancelled", "written", "rows"), 0)
    failed = JOB | {"task": "backtest.run", "status": "failed", "market": None, "progress": PROGRESS | none}
    scripted.answers.append((200, orjson.dumps({"items": [failed], "next_cursor": None})))
    out = narrow("jobs", "list", columns=columns).out
    assert "backtest.run" in out
    assert not {"0", "0/0"} & set(out.split())


def test_a_sweep_has_no_rows(kaboom: Kaboom, scripted: Scripted) -> None:
    sweep = JOB | {"queue": "backtest", "task": "backtest.sweep", "market": None, "progress": PROGRESS | {"rows": 0}}
    scripted.answers += [(200, orjson.dumps({"items": [sweep], "next_cursor": None})), (200, orjson.dumps(sweep))]
    assert kaboom("jobs", "list").out.rstrip().endswith("1,592")
    assert " rows" not in describe_progress(Speaker("en"), sweep)


def test_json_has_the_times_of_the_server(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    for language in ("en", "ja"):
        assert kaboom("--lang", language, "--json", "jobs", "list").json == PAGE


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "requested 2025-11-05 00:00:00 JST · ended 2025-11-05 00:00:04 JST"),
        ("ja", "受付 2025-11-05 00:00:00 JST、終了 2025-11-05 00:00:04 JST"),
    ],
)
def test_a_job_shows_its_times_in_japan(kaboom: Kaboom, scripted: Scripted, language: str, line: str) -> None:
    empty = {"items": [], "total": 0}
    scripted.answers += [(200, orjson.dumps(JOB)), (200, orjson.dumps(empty))]
    assert line in kaboom("--lang", language, "jobs", "show", "a" * 32).out


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "running",
                "1,592/1,592 symbols",
                "642 symbols/s",
                "ETA not yet known",
                "paused until 00:05:00 JST: too many",
            ),
        ),
        ("ja", ("実行中 running", "銘柄 1,592/1,592", "毎秒642銘柄", "残り時間を計算中", "00:05:00 JSTまで休止")),
    ],
)
def test_progress_is_reported_in_the_language_of_the_reader(
    kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]
) -> None:
    paused = PROGRESS | {"paused_until": "2025-11-04T15:05:00Z", "pause_reason": "too many"}
    running = JOB | {"status": "running", "completed_at": None, "progress": paused}
    scripted.answers += [(200, orjson.dumps(running)), (200, orjson.dumps(JOB))]
    err = kaboom("--lang", language, "jobs", "watch", "a" * 32).err
    assert [word for word in words if word not in err] == []


def test_a_slow_rate_is_not_rounded_to_nothing(kaboom: Kaboom, scripted: Scripted) -> None:
    running = JOB | {"status": "running", "completed_at": None, "progress": PROGRESS | {"rate": 0.44}}
    scripted.answers += [(200, orjson.dumps(running)), (200, orjson.dumps(JOB))]
    assert "0.4 symbols/s" in kaboom("jobs", "watch", "a" * 32).err


def test_doctor_speaks_japanese_in_80_columns_and_its_json_english(narrow: Kaboom) -> None:
    shown = narrow("--lang", "ja", "doctor")
    assert widest(shown.out) <= 80
    assert shown.out.split()[:4] == ["対象", "判定", "詳細", "対処"]
    assert "異常" in shown.out
    found = narrow("--lang", "ja", "doctor", "--json").json
    assert isinstance(found, list)
    texts = [finding[name] for finding in found for name in ("detail", "mend")]
    assert not any(JAPANESE.search(text) for text in texts)
    assert any("no Kaboom to talk to" in text for text in texts)


def test_a_local_error_is_reported_in_the_language_of_the_reader(kaboom: Kaboom) -> None:
    done = kaboom("--lang", "ja", "bars", "show", "7203", "--interval", "7m")
    assert done.code == 2
    assert "足種が '7m' です" in done.err


def test_an_unknown_language_is_refused(kaboom: Kaboom) -> None:
    done = kaboom("--lang", "fr", "jobs", "list")
    assert (done.code, done.out) == (2, "")
    assert "'fr' is not one of 'en', 'ja'" in done.err


def test_the_result_of_a_job_without_chunks_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(api_url="http://127.0.0.1:1", data_dir=None, is_json=False, language="en")
    result = {"symbols": 1651, "session": "2025-11-04", "jobs": {"running": 1}, "error": None}
    none = dict.fromkeys(PROGRESS, 0) | {"eta_s": None}
    job = JOB | {"task": "notifications.digest", "status": "completed", "progress": none, "result": result}
    print_summary(session, job)
    shown = capsys.readouterr()
    assert 'symbols: 1651\nsession: 2025-11-04\njobs: {"running":1}\nerror: null\n' in shown.out
    assert "rows" not in shown.out
    # It stored no bars, so there are none to look at.
    assert "kaboom coverage" not in shown.err
    assert describe_progress(session.words, job) == ""
    for task, line in {"backtest.run": "", "ingest.run_daily": "being planned"}.items():
        assert describe_progress(session.words, job | {"status": "running", "task": task}) == line


def test_a_backtest_leads_to_its_report(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(api_url="http://127.0.0.1:1", data_dir=None, is_json=False, language="en")
    sweep = {"queue": "backtest", "task": "backtest.sweep", "status": "completed"}
    print_summary(session, JOB | sweep | {"result": RESULTS["backtest.sweep"]})
    shown = capsys.readouterr().err
    assert f"kaboom backtest report {'a' * 32}" in shown
    assert "kaboom coverage" not in shown


@pytest.mark.parametrize(("language", "words"), [("en", "ETA 55 to 75 s"), ("ja", "残り55\uff5e75秒")])
@pytest.mark.parametrize("high_s", [75.2, 55.1])
def test_time_to_go_is_a_range_where_it_varies(language: Language, words: str, high_s: float) -> None:
    progress = PROGRESS | {"eta_s": 63.0, "eta_low_s": 54.8, "eta_high_s": high_s}
    line = describe_progress(Speaker(language), JOB | {"progress": progress})
    assert (words in line) == (high_s == 75.2)
    assert "55" in line


def test_a_time_is_marked_as_that_of_japan_and_none_is_nothing() -> None:
    assert to_jst_line("2025-11-04T07:35:00Z") == "2025-11-04 16:35 JST"
    assert (to_jst_line(None), to_jst_line("")) == ("", "")


@pytest.mark.parametrize(
    ("is_final", "words"), [(True, "session 2025-11-04 "), (False, "session 2025-11-04 (not final)")]
)
def test_a_job_of_a_running_session_is_not_final(*, is_final: bool, words: str) -> None:
    result = RESULTS["ingest.run_daily"] | {"is_final": is_final}
    shown = describe_job(Speaker("en"), JOB | {"queue": "ingest", "task": "ingest.run_daily", "result": result}) + " "
    assert words in shown
    assert ("not final" in shown) == (not is_final)


@pytest.mark.parametrize(("failed", "is_offered"), [(0, False), (2, True)])
def test_a_partial_job_leads_to_its_retry(capsys: pytest.CaptureFixture[str], failed: int, *, is_offered: bool) -> None:
    session = Session(api_url="http://127.0.0.1:1", data_dir=None, is_json=False, language="en")
    print_summary(session, JOB | {"progress": PROGRESS | {"failed": failed}})
    assert (f"kaboom jobs retry {'a' * 32}" in capsys.readouterr().err) is is_offered
