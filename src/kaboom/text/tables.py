"""Headers of tables, and the meaning of the API's codes, in English. Codes themselves, and all JSON, stay English."""

from collections.abc import Mapping

from kaboom.text.catalogue import Language, gettext


def _same(*codes: str) -> dict[str, str]:
    """Return codes that are their own English text."""
    return {code: code for code in codes}


#: The states of a symbol in a session.
_CELLS = _same(
    "pending", "missing", "empty", "lost", "not_final", "outdated", "short", "no_auction", "differs", "complete"
)

#: By name; the context of their Japanese is `column` and the name.
HEADERS: Mapping[str, str] = _CELLS | _same(
    "at (JST)", "asked for", "at once", "attempts", "bars", "busy", "channel", "chunk", "event", "events",
    "rests until (JST)", "service", "close", "default", "detail", "columns", "done", "encoding",
    "rule of files.toml", "file", "from", "time zone", "to", "due (JST)", "ending", "id", "role", "user",
    "logged in by", "address", "browser", "scopes", "expires (JST)", "ex_session", "factor", "failed",
    "fault", "flagged", "flags", "from (JST)", "gap", "gaps", "given up (JST)", "high", "indicator",
    "interval", "intervals", "job", "kept in", "kind", "last (JST)", "last job", "last result", "low",
    "market", "markets", "meaning", "median", "memory", "message", "name", "next (JST)", "on", "open",
    "opened_at (JST)", "outcome", "parameters", "part", "provider", "quarantined", "queue", "queues",
    "reason", "prices", "requests", "requested (JST)", "retried as", "result", "rows", "run", "seen (JST)",
    "seconds", "scale", "session", "sessions", "settled", "since (JST)", "severity", "slot", "state",
    "status", "symbol", "symbols", "indices", "task", "to (JST)", "total", "up since (JST)", "verdict",
    "volume", "webhook", "worker", "what", "when (JST)", "where", "amount", "average cost", "cash", "day",
    "entry", "fee", "note", "price", "quantity", "realised", "reversed by", "unrealised", "value",
    "pipeline", "starts after", "steps", "step", "new", "ended (JST)", "metric", "gain, yen", "contribution",
    "screen", "expression", "pass", "side", "shares", "held", "why", "entered", "left", "disclosed (JST)", "period", "period end", "sales, ¥M",
    "operating profit, ¥M", "net profit, ¥M", "EPS", "forecast EPS", "horizon", "IC", "t", "t, overlapping",
    "highest less lowest", "rank autocorrelation", "quantile", "chosen until", "tested until", "Sharpe",
    "equity, yen", "backtest, yen", "drift", "fills", "booked", "came_after", "first_seen", "last_seen", "left_by", "moved_to", "renamed_to", "renamed_from",
) | {
    "sent": "sent in 7 d",
    "done with it": "done",
    "fix": "how to fix it",
    "name_en": "English name",
    "sector33": "sector",
    "title": "is",
}  # fmt: skip


#: The measures against a benchmark, for commands, pages and reports.
AGAINST: Mapping[str, str] = {
    "alpha": "alpha a year",
    "beta": "beta",
    "tracking_error": "tracking error a year",
    "information_ratio": "information ratio",
    "up_capture": "up capture",
    "down_capture": "down capture",
}

#: The figures of a backtest, likewise.
METRICS: Mapping[str, str] = {
    "final_equity": "final equity, yen",
    "total_return": "total return",
    "cagr": "return a year",
    "volatility": "volatility a year",
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "max_drawdown": "maximum drawdown",
    "hit_rate": "trades with a gain",
    "turnover": "turnover a year",
    "exposure": "mean exposure",
    "trades": "closed trades",
    **AGAINST,
}

#: By kind: the codes of the API with their meanings. The context of their Japanese is the kind and the code.
CODES: Mapping[str, Mapping[str, str]] = {
    "entry": _same(
        "buy", "sell", "deposit", "withdrawal", "dividend", "interest", "fraction", "fee", "tax", "reversal"
    ),
    "metric": {**METRICS, "fees": "fees, yen", "flows": "dividends and borrow costs, yen", "taxes": "taxes, yen"},
    # The brokers whose fees a backtest knows.
    "fee_table": {
        "sbi-zero": "SBI Securities, zero commission",
        "rakuten-zero": "Rakuten Securities, zero course",
        "monex": "Monex, course by order",
        "matsui-box": "Matsui Securities, box rate",
    },
    # The measures of a portfolio.
    "performance": {
        "time_weighted": "time-weighted return (TWR)",
        "money_weighted": "return a year on the money paid in (XIRR)",
        "last_day": "change of the last session",
        "max_drawdown": "maximum drawdown",
        "benchmark_return": "TOPIX",
        **AGAINST,
    },
    # The names of tasks and markets on pages.
    "task": {
        "ingest.run_daily": "Daily ingest",
        "ingest.backfill": "Backfill",
        "market_data.refresh_quotes": "Refresh quotes",
        "market_data.refresh_symbols": "Refresh symbols",
        "market_data.roll_up": "Roll-up",
        "market_data.mirror": "Mirror to Parquet",
        "market_data.compact": "Compact",
        "market_data.take_back": "Take back from quarantine",
        "market_data.indicators": "Indicators",
        "market_data.start_pipeline": "Start a pipeline",
        "market_data.screen": "Screen",
        "market_data.fundamentals": "Fundamentals",
        "backtest.run": "Backtest",
        "backtest.sweep": "Parameter sweep",
        "backtest.paper": "Paper trading",
        "market_data.factors": "Factor report",
        "ai_analysis.analyse": "Analysis",
        "notifications.deliver": "Notifications",
    },
    "market": {
        "TSE_PRIME": "TSE Prime",
        "TSE_STANDARD": "TSE Standard",
        "TSE_GROWTH": "TSE Growth",
        "INDEX": "Index",
        "FILE": "own files",
    },
    # The titles of the strategies that Kaboom has.
    "strategy": {
        "sma_cross": "crossing moving averages",
        "momentum_rank": "the strongest symbols of the panel",
        "value_rank": "the cheapest symbols of the panel, by their statements",
        "mean_reversion": "back to the mean of Bollinger bands",
        "breakout": "breakout from a price channel",
        "buy_and_hold": "buy once, and hold",
    },
    # The counts of an ingest: the quality of its rows, and its corporate actions.
    "count": {
        "quarantined": "rows rejected",
        "refused_by_store": "bars refused by the store",
        "behind": "symbols whose newest bar is before the session",
        "corrected": "bars corrected",
        "actions_reported": "actions reported",
        "actions_suspected": "actions suspected",
        "actions_confirmed": "actions confirmed",
        "actions_rejected": "actions rejected",
        "flag_off_tick": "off tick",
        "flag_limit_breach": "beyond the daily limit",
        "flag_split_suspect": "near the ratio of a split",
        "flag_stale": "repeated",
        "flag_jump": "jump",
        "flag_duplicate": "won over another row",
        "flag_thin": "few bars",
        "flag_auction_missing": "no closing auction",
        "flag_corrected": "corrected",
        "flag_gap": "gap",
        "flag_spike": "a close far off for one day",
        "flag_no_volume": "a price range without volume",
        "flag_volume_jump": "a volume of another unit",
        "flag_day_differs": "minutes differ from the day",
    },
    # What the items of a job are.
    "unit": {
        "symbols": "symbols",
        "files": "files",
        "messages": "messages",
        "trials": "steps",
        "items": "days or symbols",
    },
    "job": _same("queued", "running", "completed", "partial", "failed", "cancelled", "cancelling", "deleted"),
    "login": {"password": "password", "token": "token", "ingest_token": "INGEST_API_TOKEN", "supabase": "Supabase"},
    "token": {"active": "valid", "revoked": "revoked", "expired": "expired", "maker_ended": "maker ended"},
    "chunk": _same(
        "queued", "running", "done", "dead", "broken", "released", "waiting", "expired", "cancelled", "failed"
    ),
    "severity": {"page": "page", "warning": "warning"},
    "worker": {"online": "online", "lost": "lost"},
    "trial": _same("symbols", "sessions", "bars"),
    "prices": {"raw": "as traded", "adjusted": "split-adjusted", "unknown": "as in its source"},
    "provider": _same("on", "off", "paused"),
    "outcome": {
        "ok": "bars written",
        "no_trades": "listed, but nothing traded",
        "not_listed": "not listed on that day",
        "rate_limited": "the provider refused: too many calls",
        "provider_error": "the provider failed",
        "invalid": "rows were refused",
        "write_failed": "could not be stored",
        "failed": "failed",
    },
    # Of bars from the user's own files.
    "outcome_of_files": {
        "ok": "bars written",
        "no_trades": "the exchange was open, but nothing traded",
        "not_listed": "not in your files",
        "rate_limited": "the provider refused: too many calls",
        "provider_error": "the files could not be read",
        "invalid": "a cell, a row or a file is refused, or it is in no file",
        "write_failed": "could not be stored",
    },
    "verdict": _same("ok", "warning", "fault"),
    "coverage": _same("pending", "complete", "gaps", "degraded"),
    "cell": _CELLS,
    "refusal": _same(
        "wrong_symbol",
        "future",
        "closed_day",
        "off_grid",
        "bad_price",
        "ohlc_order",
        "bad_volume",
        "duplicate",
        "unreadable",
    ),
    "action": _same("reported", "suspected", "confirmed", "rejected"),
    "kind": _same("split", "reverse_split", "other", "dividend"),
    "webhook": _same("waiting", "pending", "delivered", "dead"),
    # Of notifications.
    "message": {"waiting": "waiting", "pending": "pending", "delivered": "delivered", "dead": "dead letter"},
    "firing": _same("fired", "joined", "skipped", "missed", "refused"),
    "step": _same(
        "waiting", "queued", "running", "cancelling", "completed", "partial", "failed", "cancelled", "skipped"
    ),
    "missed": _same("latest", "skip", "all"),
    # An order that waits after the last bar of a backtest: when it is filled, and why it was placed.
    "order_kind": {"market": "at the open", "limit": "limit", "stop": "stop"},
    "order_reason": {
        "order": "the strategy",
        "stop_loss": "stop-loss",
        "take_profit": "take-profit",
        "margin_call": "margin call",
    },
}

#: By kind: titles and sentences by the code of what they are about. The context of their Japanese is the kind and the code.
TITLES: Mapping[str, Mapping[str, str]] = {
    # The titles of the API's problems, by the last part of their `type`.
    "problem": {
        "bad-json": "The body is not JSON",
        "bad-request": "The request is malformed",
        "bad-cursor": "The cursor is not valid",
        "unauthorized": "A valid token is needed",
        "forbidden": "The caller may not do this",
        "password-needed": "Enter your password again",
        "not-found": "Not found",
        "method-not-allowed": "This method is not allowed here",
        "not-acceptable": "No acceptable format",
        "request-timeout": "The request took too long",
        "conflict": "The current state does not allow this",
        "body-too-large": "The body is too large",
        "unsupported-media-type": "Send application/json",
        "invalid-request": "The request cannot be carried out",
        "rate-limited": "Too many requests",
        "headers-too-large": "The headers are too large",
        "internal": "Internal server error",
        "provider-failed": "The data provider failed",
        "unavailable": "A part of the system is unavailable",
    },
    # The titles of alerts, by kind.
    "alert": {
        "store_away": "A part takes no write",
        "disk_full": "A disk is nearly full",
        "redis_memory_high": "Redis uses 70 % or more of its memory",
        "no_worker": "No worker is online",
        "workers_lost": "Workers were lost",
        "queue_old": "A job has waited for more than 10 minutes",
        "ingest_missed": "A session's daily ingest was not complete by 18:00 JST",
        "schedule_overdue": "A schedule is overdue",
        "dead_letters": "A chunk was given up after its last attempt",
        "jobs_failed": "Jobs failed, in whole or in part",
        "provider_paused": "A provider is paused",
        "symbol_list_old": "The symbol list is old",
        "channel_failing": "Notifications do not arrive",
    },
    # The kinds of events that a rule of notifications may name.
    "event": {
        "job_ended": "A job has ended",
        "data_incomplete": "Data not complete by a time",
        "bars_corrected": "Bars were corrected",
        "bars_quarantined": "Rows were quarantined",
        "split_suspected": "A split is suspected",
        "ai_budget": "The AI budget is used up",
        "provider_blocked": "A provider is blocked",
        "worker_lost": "A worker was lost",
        "login_storm": "Many failed logins",
        "pipeline_ended": "A run of a pipeline has ended",
        "screen_entered": "Symbols entered a screen",
        "alert": "An alert of Alertmanager",
        "test": "A test",
    },
    # Of each event the title.
    "event_title": {
        "job_ended": "Job {short} {status}: {task}",
        "data_incomplete": "Data not complete by {deadline}: {market} {interval}",
        "bars_corrected": "{count} bars were corrected",
        "bars_quarantined": "{count} rows were quarantined",
        "split_suspected": "{count} splits are suspected",
        "ai_budget": "AI analyses ask no models for now",
        "provider_blocked": "Provider {provider} is paused",
        "worker_lost": "Worker lost: {worker}",
        "login_storm": "Many failed logins",
        "pipeline_ended": "Pipeline {pipeline}, session {session}: {status}",
        "screen_entered": "Screen {screen}: {symbols}",
        "alert_firing": "Alert {alertname}: {summary}",
        "alert_resolved": "Resolved: {alertname}",
        "test": "A test of Kaboom's notifications",
    },
    # Of each event the sentence below the title.
    "event_body": {
        "job_ended": "{items} {error}",
        "data_incomplete": "The session of {session} is not ingested as a whole. Fill the gaps with: kaboom ingest backfill",
        "bars_corrected": "Job {short} found other values than before. Results that used these bars may change.",
        "bars_quarantined": "Job {short} rejected rows by quality rules. See: kaboom bars quarantine",
        "split_suspected": "Job {short} found jumps in prices. Review them with: kaboom actions list",
        "ai_budget": "Reason: {reason}",
        "provider_blocked": "It is asked nothing for a while: {reason}",
        "worker_lost": "It stopped without being asked to, last seen {seen_at}. Its chunks run elsewhere.",
        "login_storm": "Logins of {who} fail again and again, and are slowed down. See the audit log.",
        "pipeline_ended": "{done} of {total} steps completed; not completed: {left}. {reason} See: kaboom pipelines show {run_id}",
        "screen_entered": "{count} symbols entered in the session of {session}. See: kaboom screens show {screen}",
        "alert_firing": "{severity}: {description}",
        "alert_resolved": "{description}",
        "test": "If you can read this, the channel works.",
    },
    # Why a trade of a backtest ended.
    "exit": {
        "order": "order",
        "limit": "limit",
        "stop_loss": "stop-loss",
        "take_profit": "take-profit",
        "margin_call": "margin call",
        "ruin": "ruin",
        "delisted": "delisting",
        "squeezed_out": "reverse split to less than a share",
    },
    # The verdicts of analyses.
    "analysis_verdict": {
        "bullish": "bullish",
        "neutral": "neutral",
        "bearish": "bearish",
        "low": "low risk",
        "medium": "medium risk",
        "high": "high risk",
        "complete": "nothing is missing",
        "provider": "the provider failed",
        "quality": "rows failed the quality checks",
        "storage": "bars could not be stored",
        "mixed": "several causes",
        "ahead": "ahead of the benchmark",
        "level": "about level with the benchmark",
        "behind": "behind the benchmark",
        "unclear": "too little to compare with the benchmark",
    },
}


def say_title(kind: str, code: str, language: Language) -> str:
    """Return a title of `TITLES` in a language."""
    return gettext(TITLES[kind][code], language, f"{kind} {code}")
