"""The rows of the matrix: every operation, the scope that it needs, and the object in its path.

A route that you add needs a row here. The scope stands here a second time on purpose: a slip in the route is found so.
A kind of job that needs no other scope than `jobs:write` has its row from its `JobType`: the example is the body.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from kaboom.catalog import CATALOG
from kaboom.web.auth.scopes import Scope


@dataclass(frozen=True)
class Row:
    """An operation, and what to ask of it.

    Attributes:
        scope: what it needs; None if any caller will do.
        also: what it needs besides.
        of_request: what it needs besides because of the request of the job in its path: the analysis of a portfolio.
        body, form: a valid body, as JSON or as the form of a page.
        accepted: a form that submits a job, for a test in which no worker runs it.
        fine: what it answers to who may call it.
        is_one: whether it is about one object of the world, which another owner must not find.
        is_stream: whether it goes on until the caller leaves.

    """

    scope: Scope | None
    body: dict[str, Any] | None = None
    query: str = ""
    fine: set[int] = field(default_factory=lambda: {200, 201, 202, 204})
    form: str = ""
    is_one: bool = False
    is_stream: bool = False
    also: tuple[Scope, ...] = ()
    of_request: tuple[Scope, ...] = ()
    accepted: str = ""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that its route states."""
        return (*filter(None, (self.scope,)), *self.also)

    @property
    def needed(self) -> tuple[Scope, ...]:
        """All scopes that it needs."""
        return (*self.scopes, *self.of_request)


_INGEST, _READ, _WRITE, _BARS = Scope.INGEST, Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.BARS_READ
_HOLDINGS, _TRADES = Scope.PORTFOLIOS_READ, Scope.PORTFOLIOS_WRITE
_SCHEDULES, _ADMIN = Scope.SCHEDULES_WRITE, Scope.ADMIN
_PASSWORD = "correct horse battery staple"
PIPELINE_STEP = {
    "name": "compact",
    "task": "market_data.compact",
    "params": {"keep_days": {"1m": 36500}, "dry_run": True},
}
_DAILY = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


def _job_rows(queue: str, *of_request: Scope) -> dict[str, Row]:
    one = f"/api/v1/{queue}/jobs/{{job_id}}"
    read, write = Row(_READ, of_request=of_request), Row(_WRITE, of_request=of_request)
    return {
        f"GET /api/v1/{queue}/jobs": Row(_READ),
        f"GET /api/v1/{queue}/jobs/stats": Row(_READ),
        f"GET {one}": read,
        f"GET {one}/events": read,
        f"GET {one}/logs": read,
        f"GET {one}/failures": read,
        f"GET {one}/chunks": read,
        # The job has ended, and all of it is fine.
        f"POST {one}/cancel": replace(write, fine={409}),
        f"POST {one}/retry": replace(write, fine={202, 409}),
        f"DELETE {one}": write,
    }


#: Paths without a principal; `test_guard.py` has the list of them.
PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
    "HEAD /openapi.json",
    "POST /api/v1/login",
    "POST /api/v1/login/session",
    "GET /static/{tree}/{name:path}",
    "GET /favicon.ico",
    "GET /prefer",
    "GET /login",
    "POST /login",
}

ROWS: dict[str, Row] = {
    "POST /api/v1/ingest/run-daily": Row(_INGEST, _DAILY),
    "POST /api/v1/ingest/backfill": Row(_INGEST, {"intervals": {"1d": 1}, "symbols": ["7203"], "dry_run": True}),
    "POST /api/v1/market-data/refresh-quotes": Row(_INGEST, {"interval": "1m", "dry_run": True}),
    "POST /api/v1/market-data/compact": Row(_WRITE, {"keep_days": {"1m": 90}, "dry_run": True}),
    "POST /api/v1/market-data/indicators": Row(
        _WRITE, {"indicators": ["sma:25"], "interval": "1d", "sessions": 1, "symbols": ["7203"]}
    ),
    "POST /api/v1/market-data/mirror": Row(_WRITE, {"format": "parquet", "months": 1, "dry_run": True}),
    # The provider of the tests has no list of symbols.
    "POST /api/v1/market-data/take-back": Row(_WRITE, {"provider": "synthetic"}),
    "POST /api/v1/market-data/refresh-symbols": Row(_WRITE, {"provider": "synthetic"}, fine={422}),
    "POST /api/v1/market-data/roll-up": Row(_WRITE, {"intervals": {"5m": 1}, "dry_run": True}),
    "POST /api/v1/market-data/start-pipeline": Row(_SCHEDULES, {"pipeline": "morning"}),
    "POST /api/v1/market-data/screen": Row(_WRITE, {"screen": "rising"}),
    "POST /api/v1/ai-analysis/analyse": Row(_WRITE, {"symbols": ["7203"], "dry_run": True}),
    "GET /api/v1/ai-analysis/models": Row(_READ),
    "DELETE /api/v1/ai-analysis/models/breaker": Row(_READ, also=(_ADMIN,)),
    "POST /api/v1/backtest/run": Row(_WRITE, {"strategy": "buy_and_hold", "symbols": ["7203"]}),
    "POST /api/v1/backtest/sweep": Row(
        _WRITE, {"strategy": "buy_and_hold", "symbols": ["7203"], "parameters": {"weight": 1}}
    ),
    "POST /api/v1/backtest/paper": Row(
        _WRITE,
        {"portfolio_id": "0" * 32, "strategy": "buy_and_hold", "symbols": ["7203"]},
        of_request=(_HOLDINGS, _TRADES),
    ),
    "POST /api/v1/market-data/factors": Row(_WRITE, {"expression": "change_5d", "symbols": ["7203"]}),
    # A worker finds that the channel is another one's.
    "POST /api/v1/notifications/deliver": Row(_ADMIN, {"channel_id": "0" * 32}),
    "GET /api/v1/backtest/strategies": Row(_READ),
    # No job of that id has ended.
    "GET /api/v1/backtest/compare": Row(_READ, query="?job=" + "0" * 32 + "&job=" + "1" * 32, fine={404}),
    "GET /api/v1/backtest/results/{job_id}/report.png": Row(_READ, fine={200, 404}),
    "GET /api/v1/backtest/results/{job_id}": Row(_READ, fine={200, 404}),
    "GET /api/v1/backtest/results/{job_id}/{name}": Row(_READ, fine={200, 404}),
    "GET /api/v1/ai-analysis/results/{job_id}/{symbol}.png": Row(
        _READ, also=(Scope.BARS_READ,), of_request=(_HOLDINGS,), fine={200, 404}
    ),
    "GET /api/v1/ai-analysis/results/{job_id}/{symbol}.json": Row(
        _READ, also=(Scope.BARS_READ,), of_request=(_HOLDINGS,), fine={200, 404}
    ),
    **_job_rows("ingest"),
    **_job_rows("market-data"),
    **_job_rows("backtest"),
    **_job_rows("ai-analysis", _HOLDINGS),
    **_job_rows("notifications"),
    "GET /api/v1/jobs": Row(_READ),
    "GET /api/v1/jobs/stats": Row(_READ),
    "GET /api/v1/stats/series": Row(_READ),
    "GET /api/v1/workers": Row(_READ),
    "GET /api/v1/alerts": Row(_READ),
    "GET /api/v1/providers": Row(_READ),
    "GET /api/v1/dead-letters": Row(_READ),
    "GET /api/v1/events": Row(_READ, is_stream=True),
    "GET /api/v1/settings": Row(_ADMIN),
    "GET /api/v1/schedules": Row(_READ),
    "POST /api/v1/schedules": Row(
        _SCHEDULES, {"name": "another", "cron": "0 18 * * *", "request": {"intervals": {"1d": 1}, "symbols": ["7203"]}}
    ),
    "GET /api/v1/schedules/{schedule_id}": Row(_READ),
    "PATCH /api/v1/schedules/{schedule_id}": Row(_SCHEDULES, {"max_late_h": 5}),
    "DELETE /api/v1/schedules/{schedule_id}": Row(_SCHEDULES),
    "POST /api/v1/schedules/{schedule_id}/run": Row(_SCHEDULES),
    "GET /api/v1/pipelines": Row(_READ),
    "POST /api/v1/pipelines": Row(_SCHEDULES, {"name": "another", "steps": [PIPELINE_STEP]}, of_request=(_WRITE,)),
    "GET /api/v1/pipelines/{pipeline}": Row(_READ, is_one=True, fine={200, 202, 204, 404}),
    "GET /api/v1/pipelines/{pipeline}/runs": Row(_READ, is_one=True, fine={200, 202, 204, 404}),
    "POST /api/v1/pipelines/{pipeline}/runs": Row(
        _SCHEDULES, {}, of_request=(_WRITE,), is_one=True, fine={200, 202, 204, 404}
    ),
    # A run of it goes on, or a page deleted it.
    "DELETE /api/v1/pipelines/{pipeline}": Row(_SCHEDULES, fine={204, 404, 409}, is_one=True),
    "GET /api/v1/pipeline-runs": Row(_READ, query="?job_id=" + "0" * 32),
    "GET /api/v1/pipeline-runs/{run_id}": Row(_READ, fine={200, 202, 204, 404}),
    "POST /api/v1/pipeline-runs/{run_id}/cancel": Row(_SCHEDULES, fine={200, 404, 409}),
    "POST /api/v1/pipeline-runs/{run_id}/retry": Row(_SCHEDULES, fine={200, 404, 409}, of_request=(_WRITE,)),
    "GET /api/v1/fundamentals": Row(_BARS),
    "GET /api/v1/fundamentals/{symbol}": Row(_BARS),
    # No bars are held.
    "GET /api/v1/screen-matches": Row(_BARS, query="?expression=close>0&session=2015-01-05", fine={422}),
    "GET /api/v1/screens": Row(_BARS),
    "POST /api/v1/screens": Row(_WRITE, {"name": "another", "expression": "close > 0"}),
    "GET /api/v1/screens/{screen}": Row(_BARS, is_one=True, fine={200, 404}),
    "GET /api/v1/screens/{screen}/sessions": Row(_BARS, is_one=True, fine={200, 404}),
    # A page deleted it.
    "DELETE /api/v1/screens/{screen}": Row(_WRITE, fine={204, 404}, is_one=True),
    "GET /api/v1/ingest/webhooks": Row(_READ),
    "GET /api/v1/ingest/webhooks/{delivery_id}": Row(_READ),
    # It waits for its first attempt.
    "POST /api/v1/ingest/webhooks/{delivery_id}/replay": Row(_WRITE, fine={202, 409}),
    "GET /api/v1/bars": Row(_BARS, query="?interval=1d"),
    "GET /api/v1/notifications/channels": Row(_ADMIN),
    "POST /api/v1/notifications/channels": Row(
        _ADMIN, {"name": "another", "kind": "webhook", "url": "https://hooks.example.com/other"}
    ),
    "GET /api/v1/notifications/channels/{channel_id}": Row(_ADMIN),
    "PATCH /api/v1/notifications/channels/{channel_id}": Row(_ADMIN, {"is_enabled": False}),
    "POST /api/v1/notifications/channels/{channel_id}/test": Row(_ADMIN),
    # A rule uses it.
    "DELETE /api/v1/notifications/channels/{channel_id}": Row(_ADMIN, fine={204, 409}),
    "GET /api/v1/notifications/rules": Row(_ADMIN),
    # The channel is none of the caller's.
    "POST /api/v1/notifications/rules": Row(
        _ADMIN, {"name": "another", "channel_id": "0" * 32, "events": ["job_ended"]}, fine={404}
    ),
    "GET /api/v1/notifications/rules/{rule_id}": Row(_ADMIN),
    "PUT /api/v1/notifications/rules/{rule_id}": Row(
        _ADMIN, {"name": "another", "channel_id": "0" * 32, "events": ["job_ended"]}, fine={404}
    ),
    "PATCH /api/v1/notifications/rules/{rule_id}": Row(_ADMIN, {"is_enabled": False}),
    "DELETE /api/v1/notifications/rules/{rule_id}": Row(_ADMIN),
    "GET /api/v1/notifications/messages": Row(_ADMIN),
    "GET /api/v1/notifications/messages/{message_id}": Row(_ADMIN),
    # It waits for its first attempt, or has ended.
    "POST /api/v1/notifications/messages/{message_id}/replay": Row(_ADMIN, fine={202, 409}),
    "POST /api/v1/notifications/alertmanager": Row(Scope.ALERTS_WRITE, {"version": "4", "alerts": []}),
    "GET /api/v1/bars/latest": Row(_BARS, query="?interval=1d"),
    "GET /api/v1/bars/{symbol}": Row(_BARS, query="?interval=1d"),
    "GET /api/v1/coverage": Row(_BARS, query="?interval=1d"),
    "GET /api/v1/coverage/series": Row(_BARS),
    "GET /api/v1/coverage/sessions": Row(_BARS, query="?interval=1d&sessions=2"),
    "GET /api/v1/coverage/cells": Row(_BARS, query="?interval=1d&sessions=2"),
    "GET /api/v1/coverage/cells/{symbol}": Row(_BARS, query="?interval=1d&sessions=2", fine={200, 404}),
    "GET /api/v1/bars/quarantine": Row(_BARS),
    "GET /api/v1/symbols": Row(_BARS),
    "GET /api/v1/universe": Row(_BARS, query="?market=TSE_PRIME"),
    "GET /api/v1/calendar": Row(_BARS),
    "GET /api/v1/charts/{symbol}": Row(_BARS),
    "GET /api/v1/portfolios": Row(_HOLDINGS),
    "POST /api/v1/portfolios": Row(_TRADES, {"name": "another"}),
    "GET /api/v1/portfolios/{portfolio_id}": Row(_HOLDINGS),
    "PATCH /api/v1/portfolios/{portfolio_id}": Row(_TRADES, {"name": "renamed"}),
    "DELETE /api/v1/portfolios/{portfolio_id}": Row(_TRADES),
    "POST /api/v1/portfolios/{portfolio_id}/dividends": Row(_TRADES),
    "GET /api/v1/portfolios/{portfolio_id}/positions": Row(_HOLDINGS),
    "GET /api/v1/portfolios/{portfolio_id}/valuation": Row(_HOLDINGS),
    "GET /api/v1/portfolios/{portfolio_id}/equity": Row(_HOLDINGS),
    "GET /api/v1/portfolios/{portfolio_id}/performance": Row(_HOLDINGS),
    "GET /api/v1/portfolios/{portfolio_id}/export": Row(_HOLDINGS),
    "GET /api/v1/portfolios/{portfolio_id}/paper": Row(_HOLDINGS, fine={404}),
    "GET /api/v1/portfolios/{portfolio_id}/trades": Row(_HOLDINGS),
    "GET /api/v1/portfolios/{portfolio_id}/cash": Row(_HOLDINGS),
    "POST /api/v1/portfolios/{portfolio_id}/cash": Row(_TRADES, {"kind": "deposit", "amount": "1000"}),
    "POST /api/v1/portfolios/{portfolio_id}/trades": Row(
        _TRADES, {"side": "buy", "symbol": "7203", "quantity": 100, "price": "1", "force": True}
    ),
    # No entry has this id.
    "POST /api/v1/portfolios/{portfolio_id}/reversals": Row(_TRADES, {"entry_id": "0" * 32}, fine={404}),
    "POST /api/v1/portfolios/{portfolio_id}/import": Row(
        _TRADES, {"csv": "day,kind,symbol,quantity,price,fee,amount,note\n2025-11-04,deposit,,,,,1,\n"}
    ),
    "GET /api/v1/session": Row(None, fine={200, 404}),
    "DELETE /api/v1/session": Row(None, fine={204, 401}),
    "GET /api/v1/me": Row(None),
    # A token has no session, and no session has this id.
    "GET /api/v1/me/sessions": Row(None),
    "DELETE /api/v1/me/sessions/{session_id}": Row(None, fine={404}),
    "GET /api/v1/sessions": Row(_ADMIN),
    # A page comes before it.
    "DELETE /api/v1/sessions/{session_id}": Row(_ADMIN, fine={204, 404}),
    "DELETE /api/v1/users/{user_id}/sessions": Row(_ADMIN),
    # Only a browser has a session to confirm, here of a token.
    "POST /api/v1/session/confirm": Row(None, {"password": _PASSWORD}, fine={401, 404}),
    # A token has no password.
    "POST /api/v1/me/password": Row(None, {"old": _PASSWORD, "new": _PASSWORD}, fine={204, 403}),
    "GET /api/v1/users": Row(_ADMIN),
    "POST /api/v1/users": Row(_ADMIN, {"name": "new@example.com", "password": _PASSWORD}),
    "GET /api/v1/users/{user_id}": Row(_ADMIN),
    "PATCH /api/v1/users/{user_id}": Row(_ADMIN, {"role": "viewer"}),
    "GET /api/v1/tokens": Row(_ADMIN),
    "POST /api/v1/tokens": Row(_ADMIN, {"name": "new", "scopes": ["admin"]}),
    "DELETE /api/v1/tokens/{token_id}": Row(_ADMIN),
    "GET /api/v1/audit": Row(_ADMIN),
    # Pages.
    "GET /": Row(_READ),
    "GET /docs": Row(None),
    "GET /jobs": Row(_READ),
    "GET /jobs/new": Row(_READ),
    "GET /jobs/history": Row(_READ),
    "POST /jobs/new": Row(_WRITE, form="task=market_data.compact&r_keep_days=1m%3D90&action=preview", fine={303}),
    "GET /jobs/{queue}/{job_id}": Row(_READ),
    "GET /jobs/{queue}/{job_id}/failures.csv": Row(_READ),
    "GET /live/jobs": Row(_READ, is_stream=True),
    "POST /jobs/preview": Row(_READ, form="action=cancel&job=ingest/{job_id}&next=/jobs"),
    # The job has ended.
    "POST /jobs/act": Row(_WRITE, form="action=cancel&job=ingest/{job_id}&next=/jobs", fine={409}, is_one=True),
    "POST /jobs/views": Row(None, form="name=mine&query=q%3D7203", fine={303}),
    # The session before it has ended.
    "POST /logout": Row(None, fine={303, 401}),
    "GET /more": Row(None),
    "GET /workers": Row(_READ),
    "GET /dead-letters": Row(_READ),
    "GET /webhooks": Row(_READ),
    "POST /webhooks/{delivery_id}/again": Row(_WRITE, form="next=/webhooks", fine={303, 409}),
    "GET /quarantine": Row(_BARS),
    "GET /schedules": Row(_READ),
    "GET /schedules/calendar": Row(_READ),
    "GET /schedules/new": Row(_SCHEDULES),
    "GET /schedules/{schedule_id}": Row(_READ),
    "POST /schedules/new": Row(_SCHEDULES, form="name=page&task=ingest.run_daily&cron=0+18+*+*+*", fine={303, 422}),
    "GET /schedules/{schedule_id}/edit": Row(_READ),
    "POST /schedules/{schedule_id}/edit": Row(
        _SCHEDULES,
        form="name=page&request=%7B%22intervals%22%3A%7B%221d%22%3A1%7D,%22symbols%22%3A%5B%227203%22%5D%7D&when=cron&cron=0+18+*+*+*&missed=skip&max_late_h=5",
        fine={303},
    ),
    "POST /schedules/{schedule_id}/switch": Row(_SCHEDULES, form="is_enabled=no", fine={303}),
    "POST /schedules/{schedule_id}/run": Row(_SCHEDULES, form="next=/schedules", fine={303}),
    # `DELETE` comes before it.
    "POST /schedules/{schedule_id}/remove": Row(_SCHEDULES, form="next=/schedules", fine={303, 404}),
    "GET /pipelines": Row(_READ),
    "GET /pipelines/{pipeline}": Row(_READ, is_one=True, fine={200, 202, 204, 404}),
    "POST /pipelines/{pipeline}/run": Row(
        _SCHEDULES, form="session=", fine={303, 404}, of_request=(_WRITE,), is_one=True
    ),
    "POST /pipelines/{pipeline}/delete": Row(_SCHEDULES, form="next=/pipelines", fine={303, 404, 409}, is_one=True),
    "GET /pipeline-runs/{run_id}": Row(_READ, fine={200, 404}),
    "POST /pipeline-runs/{run_id}/cancel": Row(_SCHEDULES, form="next=/pipelines", fine={303, 404, 409}),
    "POST /pipeline-runs/{run_id}/retry": Row(
        _SCHEDULES, form="next=/pipelines", fine={303, 404, 409}, of_request=(_WRITE,)
    ),
    "GET /screens": Row(_BARS),
    "POST /screens": Row(_WRITE, form="name=page&expression=close+%3E+0", fine={303}),
    "GET /screens/{screen}": Row(_BARS, is_one=True, fine={200, 404}),
    "POST /screens/{screen}/run": Row(_WRITE, also=(_BARS,), form="session=", fine={303, 404}, is_one=True),
    "POST /screens/{screen}/delete": Row(_WRITE, form="next=/screens", fine={303, 404}, is_one=True),
    "GET /notifications": Row(_ADMIN),
    "GET /notifications/rules/new": Row(_ADMIN),
    # The channel is none of the caller's.
    "POST /notifications/rules/new": Row(
        _ADMIN, form="name=page&channel_id=0&events=job_ended&language=ja", fine={422}
    ),
    "GET /notifications/rules/{rule_id}/edit": Row(_ADMIN, fine={200, 404}),
    "POST /notifications/rules/{rule_id}/edit": Row(
        _ADMIN, form="name=page&channel_id=0&events=job_ended&language=ja", fine={404, 422}
    ),
    "GET /notifications/channels/new": Row(_ADMIN),
    "POST /notifications/channels/new": Row(_ADMIN, form="name=page&kind=webhook&url=never", fine={422}),
    "POST /notifications/rules/{rule_id}/switch": Row(_ADMIN, form="is_enabled=no", fine={303, 404}),
    "POST /notifications/channels/{channel_id}/switch": Row(_ADMIN, form="is_enabled=no", fine={303, 404}),
    "POST /notifications/channels/{channel_id}/test": Row(_ADMIN, form="next=/notifications", fine={303, 404}),
    "POST /notifications/messages/{message_id}/again": Row(_ADMIN, form="next=/notifications", fine={303, 404, 409}),
    # `DELETE` comes before these.
    "POST /notifications/rules/{rule_id}/remove": Row(_ADMIN, form="next=/notifications", fine={303, 404}),
    "POST /notifications/channels/{channel_id}/remove": Row(_ADMIN, form="next=/notifications", fine={303, 404, 409}),
    "GET /settings": Row(_ADMIN),
    "GET /users": Row(_ADMIN),
    "POST /users": Row(_ADMIN, form=f"name=page@example.com&role=viewer&password={_PASSWORD}", fine={303}),
    "POST /users/{user_id}": Row(_ADMIN, form="change=role_viewer", fine={303}),
    "GET /tokens": Row(_ADMIN),
    "POST /tokens": Row(_ADMIN, form="name=page&scope=admin&scopes=admin", fine={200, 201, 303, 422}),
    "POST /tokens/{token_id}/revoke": Row(_ADMIN, form="next=/tokens", fine={303}),
    "GET /sessions": Row(None),
    "POST /sessions/{session_id}/end": Row(None, form="x=", fine={404}),
    # Another operation has ended it.
    "POST /sessions/{session_id}/end-any": Row(_ADMIN, form="x=", fine={303, 404}),
    # Only a browser has a session to confirm, here of a token.
    "POST /confirm": Row(None, form="password=wrong", fine={403}),
    "GET /audit": Row(_ADMIN),
    "GET /backtests": Row(_READ),
    "GET /backtests/new": Row(_READ),
    "GET /backtests/sweep": Row(_READ),
    "GET /backtests/sweep/size": Row(_READ),
    "POST /backtests/new": Row(_WRITE, form="strategy=buy_and_hold&symbols=7203", fine={303}),
    "POST /backtests/sweep": Row(_WRITE, form="strategy=buy_and_hold&symbols=7203&p_weight=1", fine={303}),
    # No job of that id has ended.
    "GET /backtests/compare": Row(_READ, query="?job=" + "0" * 32 + "&job=" + "1" * 32, fine={404}),
    "GET /backtests/{job_id}": Row(_READ, fine={200, 404}),
    "GET /analyses": Row(_READ),
    "GET /analyses/new": Row(_READ),
    "POST /analyses/new": Row(
        _WRITE, form="kind=technical&symbols=../x&analyst=rules", fine={422}, accepted="kind=technical&symbols=7203"
    ),
    "POST /analyses/close-breaker": Row(_READ, also=(_ADMIN,), form="x=", fine={303}),
    "GET /analyses/{job_id}": Row(_READ, of_request=(_HOLDINGS,)),
    "GET /portfolios": Row(_HOLDINGS),
    "POST /portfolios": Row(_TRADES, form="name=page", fine={303}),
    "GET /portfolios/{portfolio_id}": Row(_HOLDINGS),
    "GET /portfolios/{portfolio_id}/paper": Row(_HOLDINGS),
    "POST /portfolios/{portfolio_id}/cash": Row(_TRADES, form="kind=deposit&amount=1000", fine={303}),
    "POST /portfolios/{portfolio_id}/trades": Row(
        _TRADES, form="side=buy&symbol=7203&quantity=100&price=1&force=yes", fine={303}
    ),
    # No entry has this id.
    "POST /portfolios/{portfolio_id}/reverse": Row(_TRADES, form="entry=00000000000000000000000000000000", fine={404}),
    "POST /portfolios/{portfolio_id}/import": Row(
        _TRADES, form="csv=day,kind,symbol,quantity,price,fee,amount,note%0A2025-11-04,deposit,,,,,1,%0A", fine={303}
    ),
    "POST /portfolios/{portfolio_id}/dividends": Row(_TRADES, form="x=", fine={303}),
    "POST /portfolios/{portfolio_id}/rename": Row(_TRADES, form="name=renamed+page", fine={303}),
    # `DELETE` comes before it.
    "POST /portfolios/{portfolio_id}/remove": Row(_TRADES, form="x=", fine={303, 404}),
    "GET /data": Row(_BARS),
    "GET /symbols": Row(_BARS),
    "GET /symbols/{symbol}": Row(_BARS),
    "GET /symbols/{symbol}/bars.csv": Row(_BARS),
    "GET /symbols/{symbol}/beside": Row(_BARS),
    "POST /fetch/preview": Row(_BARS, form="session=2025-11-04"),
    # No day and no interval: an ingest of the whole market would take too long here.
    "POST /fetch": Row(_INGEST, form="session=never", fine={422}, accepted="session=2025-11-04"),
    "POST /data/fetch": Row(_INGEST, form="interval=never", fine={422}, also=(_BARS,)),
    "POST /data/run": Row(_INGEST, form="interval=never", fine={422}, accepted="interval=1m"),
}
for _type in CATALOG:
    if _type.scope is _WRITE:
        ROWS.setdefault(f"POST {_type.path}", Row(_WRITE, dict(_type.example)))
