"""Every page in both languages, both themes, on a desk and on a phone: no report, no other host, no serious finding."""

import re
from typing import Any, Literal

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.planting import wait_for
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import Stack

#: A path; `{job}` is a job that has ended, `{schedule}` a schedule that has fired, `{portfolio}` holds shares;
#: `{run}` and `{sweep}` are backtests that have ended.
#: `{analysis}` is by rules, `{asked}` by models of a fake, `{previewed}` shows what would be sent; `{rule}` tells ends.
PAGES = {
    "overview": "/",
    "jobs": "/jobs",
    "job": "/jobs/ingest/{job}",
    "new-job": "/jobs/new",
    "new-ingest": "/jobs/new?task=ingest.run_daily",
    "job-history": "/jobs/history",
    "none": "/jobs?q=9999",
    "login": "/login",
    "docs": "/docs",
    "backtests": "/backtests",
    "backtest": "/backtests/{run}",
    "sweep": "/backtests/{sweep}",
    "new-backtest": "/backtests/new",
    "new-sweep": "/backtests/sweep",
    "comparison": "/backtests/compare?job={run}&job={sweep}",
    "analyses": "/analyses",
    "new-analysis": "/analyses/new",
    "analysis": "/analyses/{analysis}",
    "analysis-of-models": "/analyses/{asked}",
    "analysis-preview": "/analyses/{previewed}",
    "notifications": "/notifications",
    "new-rule": "/notifications/rules/new",
    "rule": "/notifications/rules/{rule}/edit",
    "new-channel": "/notifications/channels/new",
    "portfolios": "/portfolios",
    "portfolio": "/portfolios/{portfolio}",
    "schedules": "/schedules",
    "schedule-calendar": "/schedules/calendar",
    "schedule": "/schedules/{schedule}",
    "new-schedule": "/schedules/new",
    "pipelines": "/pipelines",
    "pipeline": "/pipelines/morning",
    "pipeline-run": "/pipeline-runs/{pipeline_run}",
    "screens": "/screens?expression=change_1d+%3E+0",
    "screen": "/screens/rising",
    "workers": "/workers",
    "webhooks": "/webhooks",
    "dead-letters": "/dead-letters",
    "quarantine": "/quarantine",
    "more": "/more",
    "settings": "/settings",
    "users": "/users",
    "tokens": "/tokens",
    "sessions": "/sessions",
    "sessions-of-all": "/sessions?whose=all",
    "audit": "/audit",
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_OTHER_TEXT = """() => {
  const main = document.querySelector('main').cloneNode(true);
  for (const each of main.querySelectorAll('[lang=ja]')) each.remove();
  return main.innerText;
}"""
#: Findings in the markup of Swagger UI, which a style sheet cannot mend: each line is a button with a link in it.
VENDORED = {"nested-interactive"}


@pytest.fixture(scope="module")
def ended(stack: Stack) -> str:
    """The id of a job of some symbols that has ended."""
    job_id = stack.api.submit(intervals={"1m": 1}, market="TSE_PRIME", chunk_size=500)
    assert stack.api.wait(job_id)["status"] == "completed"
    return job_id


@pytest.fixture(scope="module")
def planted(stack: Stack, ended: str) -> dict[str, str]:
    """What paths name: a job that has ended, and the daily ingest, run by hand once; users and tokens have a row."""
    http = stack.api.http
    (found,) = http.get("/api/v1/schedules").json()["items"]
    http.post(f"/api/v1/schedules/{found['schedule_id']}/run").raise_for_status()
    user = {"name": "hanako.yamada@example.com", "password": "correct horse battery staple", "role": "operator"}
    http.post("/api/v1/users", json=user).raise_for_status()
    http.post("/api/v1/tokens", json={"name": "n8n", "scopes": ["ingest", "jobs:read"]}).raise_for_status()
    portfolio = plant_portfolio(stack)
    rule = plant_rule(stack)
    jobs = {"job": ended, **plant_backtests(stack), **plant_analyses(stack, portfolio)}
    jobs["pipeline_run"] = plant_pipeline(stack)
    screen = {"name": "rising", "expression": "change_1d > 0"}
    stack.api.http.post("/api/v1/screens", json=screen).raise_for_status()
    return jobs | {"schedule": found["schedule_id"], "portfolio": portfolio, "rule": rule}


def plant_pipeline(stack: Stack) -> str:
    """Return the id of a run of a pipeline with a step that completes, and one after it."""
    compact = {"task": "market_data.compact", "params": {"keep_days": {"1m": 36500}, "dry_run": True}}
    steps = [{"name": "first", **compact}, {"name": "second", "needs": ["first"], **compact}]
    stack.api.http.post("/api/v1/pipelines", json={"name": "morning", "steps": steps}).raise_for_status()
    started = stack.api.http.post("/api/v1/pipelines/morning/runs", json={}).raise_for_status().json()
    return str(started["items"][0]["run_id"])


def plant_portfolio(stack: Stack) -> str:
    """Return the id of a portfolio with a history."""
    http = stack.api.http
    daily = stack.api.submit(intervals={"1d": 120}, symbols=["7203", "6758"])
    assert stack.api.wait(daily)["status"] == "completed"
    day = http.get("/api/v1/bars/7203?interval=1d").json()["items"][0]["opened_at"][:10]
    path = http.post("/api/v1/portfolios", json={"name": "Japan"}).headers["location"]
    rows = f"{day},deposit,,,,,5000000,\n{day},buy,7203,300,2841.5,275,,first\n{day},buy,6758,100,1200,99,,\n"
    rows += f"{day},sell,7203,100,2900,99,,\n{day},dividend,7203,,,,4500,\n"
    head = "day,kind,symbol,quantity,price,fee,amount,note\n"
    http.post(f"{path}/import", json={"csv": head + rows, "force": True}).raise_for_status()
    return str(path.rpartition("/")[2])


def plant_rule(stack: Stack) -> str:
    """Return the id of a rule on a channel, whose receiver does not answer a test."""
    prefix = "/api/v1/notifications"
    channel = {"name": "desk", "kind": "webhook", "url": "https://hooks.example/"}
    channel_id = stack.api.http.post(f"{prefix}/channels", json=channel).raise_for_status().json()["id"]
    rule = {"name": "failures", "channel_id": channel_id, "events": ["job_ended"], "only": {"status": ["failed"]}}
    times = {"digest_at": "08:30", "quiet_from": "22:00", "quiet_until": "07:00", "language": "ja"}
    made = stack.api.http.post(f"{prefix}/rules", json=rule | times).raise_for_status()
    stack.api.http.post(f"{prefix}/channels/{channel_id}/test").raise_for_status()
    return str(made.json()["id"])


def plant_backtests(stack: Stack) -> dict[str, str]:
    """Return the ids of a run and of a sweep that have ended, of bars that the portfolio has left."""
    asked = {"strategy": "sma_cross", "symbols": ["7203"], "sessions": 110}
    grids = {"run": {"fast": 5, "slow": 20}, "sweep": {"fast": [5, 10, 15], "slow": [20, 30, 40]}}
    found = {}
    for kind, parameters in grids.items():
        answer = stack.api.http.post(f"/api/v1/backtest/{kind}", json=asked | {"parameters": parameters})
        job = wait_for(stack, answer.raise_for_status().headers["location"])
        assert job["status"] == "completed", job["error"]
        found[kind] = job["job_id"]
    return found


def plant_analyses(stack: Stack, portfolio: str) -> dict[str, str]:
    """Return the ids of analyses of a portfolio by rules, by models of which one lies, and of what would be sent."""
    bodies: dict[str, dict[str, Any]] = {
        "analysis": {"portfolio_id": portfolio, "analyst": "rules"},
        "asked": {"symbols": ["7203"]},
        "previewed": {"symbols": ["7203", "6758"], "dry_run": True},
    }
    ids = {}
    for name, body in bodies.items():
        accepted = stack.api.http.post("/api/v1/ai-analysis/analyse", json=body | {"language": "en"})
        ids[name] = accepted.json()["job_id"]
        job = f"/api/v1/ai-analysis/jobs/{ids[name]}"
        ended = stack.api.http.get(job, headers={"Prefer": "wait=25"}, timeout=40).json()
        assert ended["status"] == "completed", ended
    return ids


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(open_tab: OpenTab, planted: dict[str, str], name: str, language: str, width: int) -> None:
    tab, path = open_tab(language=language, width=width), PAGES[name].format(**planted)
    tab.open(path)
    assert tab.page.get_attribute("html", "lang") == language
    allowed = VENDORED if name == "docs" else set()
    for theme in THEMES:
        tab.page.emulate_media(color_scheme=theme)
        if name == "docs":
            # Swagger UI takes its theme when it is loaded.
            tab.open(path)
            tab.page.wait_for_selector(".opblock", timeout=30_000 * crowd())
        tab.shoot(f"{name}-{language}-{theme}-{width}")
        # Nothing is wider than the screen.
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        assert [found for found in tab.axe() if found.partition(":")[0] not in allowed] == []
    assert tab.faults == []
    # No form field or text of one language in the other.
    if language == "en" and name != "docs":
        # Names of companies are Japanese in both, and say so.
        visible = tab.page.evaluate(_OTHER_TEXT)
        assert not re.search("[\u3041-\u30ff]", visible.replace("日本語", ""))
