"""What pages say of a code: by kind, in English; a pair has a form for one and a form for several; and of a company."""

from collections.abc import Mapping
from dataclasses import dataclass

from kaboom.market_data.schemas import ListedSymbol
from kaboom.text.catalogue import Language, gettext, ngettext
from kaboom.text.tables import CODES

#: By kind and code. The context of the Japanese of a label is both.
LABELS: Mapping[str, Mapping[str, str | tuple[str, str]]] = {
    "admin_place": {
        "settings": "Settings", "users": "Users", "tokens": "Tokens", "sessions": "Sessions", "audit": "Audit log",
    },
    "all_cells": {
        "symbols": ("{n} symbol session", "{n} symbol sessions"),
        "indices": ("{n} index session", "{n} index sessions"),
    },
    "analysis": {"technical": "Technical view", "risk": "Risk", "ingest": "Ingest job", "backtest": "Backtest"},
    "backtest_form": {"run": "New backtest", "sweep": "New sweep"},
    "backtest_run": {"run": "Run the backtest", "sweep": "Run the sweep"},
    "bars_of": {"1m": "1-minute", "5m": "5-minute", "15m": "15-minute", "1h": "hourly", "1d": "daily"},
    "cell_about": {
        "missing": "No bar, for no known reason", "lost": "Fewer bars than the provider had given",
        "not_final": "Requested before the provider’s delay was over",
        "outdated": "Its minutes were ingested again after the roll-up",
        "short": "Less than half of its own median over 20 sessions",
        "no_auction": "It traded in the last five minutes, but has no bar of the closing auction",
        "differs": "The minutes do not add up to the provider’s day", "complete": "None of the other states",
        "empty": "Not listed, or never trades", "pending": "The session is not over, or not yet final",
    },
    "cell_state": {
        "missing": "missing", "lost": "lost", "not_final": "not final", "outdated": "outdated", "short": "short",
        "no_auction": "no closing auction", "differs": "differs from its day", "complete": "complete",
        "empty": "nothing to have", "pending": "pending",
    },
    "cells": {"symbols": "symbol sessions", "indices": "index sessions"},
    "channel_kind": {"apprise": "Slack, Discord, LINE, Teams, e-mail (apprise)", "webhook": "Signed webhook"},
    "chart_unit": {"jobs": ("job", "jobs"), "items": ("item", "items")},
    "chart_word": {
        "open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume",
        "previous": "Previous close", "lunch": "lunch", "shares": "shares", "a_open": "open",
        "a_am_close": "AM close", "a_pm_open": "PM open", "a_close": "close",
    },
    "chunk_end": {
        "done": "done", "broken": "broke", "released": "handed back", "waiting": "waited", "expired": "lost",
        "cancelled": "cancelled", "failed": "failed", "open": "running",
    },
    "confirm_refusal": {
        "refused": "That was not it. Nothing was changed.", "slowed": "Too many failures. Wait a minute.",
        "unavailable": "It cannot be checked now: the ledger does not answer.",
    },
    "day_complete": {
        "today": "Today’s data is complete: all {whole} have their bars.",
        "past": "The data of {day} is complete: all {whole} have their bars.",
    },
    "day_gaps": {
        "today": ("Today’s data is not complete: {some} of {whole} has no bars yet.", "Today’s data is not complete: {some} of {whole} have no bars yet."),
        "past": ("The data of {day} is not complete: {some} of {whole} has no bars.", "The data of {day} is not complete: {some} of {whole} have no bars."),
    },
    "dead_letters_shown": {"open": "Not retried", "retried": "Retried", "all": "All"},
    "difference": {
        "strategy": "Strategy", "symbols": "Symbols", "market": "Market", "symbol_count": "Number of symbols",
        "cash": "Yen at the start", "interval": "Bars", "first": "First session", "last": "Last session",
        "session_count": "Sessions", "provider": "Provider", "benchmark": "Benchmark", "seed": "Seed",
        "as_of": "As of", "fingerprint": "Fingerprint of the bars", "code_version": "Code",
        "strategy_digest": "Digest of the strategy", "model.fees.rate": "Fee, share of the value",
        "model.slippage.ticks": "Slippage, ticks", "model.allows_short": "Short positions",
    },
    "flag": {
        "off_tick": "A price that is not a multiple of its tick", "limit_breach": "Beyond the daily price limit",
        "split_suspect": "Opens near the ratio of a split", "stale": "Repeats the same prices and volume",
        "jump": "More than 10 % from the bar before", "duplicate": "Won over another row for this time",
        "thin": "Few bars for this symbol", "auction_missing": "No bar of the closing auction",
        "corrected": "Changed by a later fetch", "gap": "Empty minutes before this bar",
        "spike": "Close far off for one day", "no_volume": "Price range without volume",
        "volume_jump": "Volume of another unit", "day_differs": "Minutes do not add up to the day",
    },
    "health": {"waiting": "no worker is online", "stalled": "no progress", "recovering": "being restored"},
    "interval": {"1m": "1 minute", "5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour", "1d": "1 day"},
    "job_do": {
        "again": ("Run {n} job again", "Run {n} jobs again"), "retry": ("Retry {n} item", "Retry {n} items"),
        "cancel": ("Cancel {n} job", "Cancel {n} jobs"),
    },
    "job_page": {"backtest": "Open the backtest", "ai_analysis": "Open the analysis", "paper": "Open the paper portfolio"},
    "job_preview": {
        "retry": ("Retry what failed in {n} job?", "Retry what failed in {n} jobs?"),
        "again": ("Run {n} job again?", "Run {n} jobs again?"),
        "again_about": "A new job does all that this one was asked for. What is stored already is compared, and corrected where it differs.",
        "cancel": ("Cancel {n} job?", "Cancel {n} jobs?"),
        "retry_about": "Each becomes a job of its own, for the same session. What is done is not done again.",
        "cancel_about": "What is done stays as it is. Running chunks stop within seconds.",
    },
    "job_unit": {"symbols": "symbols", "indices": "indices"},
    "jobs_done": {
        "retry": ("{n} job was queued to retry.", "{n} jobs were queued to retry."),
        "cancel": ("{n} job is being cancelled.", "{n} jobs are being cancelled."),
        "again": ("{n} job was queued.", "{n} jobs were queued."),
    },
    "logged_in_by": {
        "password": "password", "token": "token", "ingest_token": "INGEST_API_TOKEN", "supabase": "Supabase",
    },
    "login_refusal": {
        "refused": "The token, or the name or password, is not valid.",
        "unavailable": "Nobody can log in now: the ledger does not answer.",
        "slowed": "Too many failed logins. Wait a minute.",
    },
    "make_role": {"viewer": "Make a viewer", "operator": "Make an operator", "admin": "Make an admin"},
    "map_choice": {"interval": "Interval", "market": "Symbols", "group": "Order"},
    "map_group": {"sector": "By sector (33)", "symbol": "By symbol", "size": "By size", "worst": "Worst first"},
    "map_head": {"symbols": "Symbols", "indices": "Indices"},
    "map_market": {
        "": "With any data", "TSE_PRIME": "All of TSE Prime", "TSE_STANDARD": "All of TSE Standard",
        "TSE_GROWTH": "All of TSE Growth", "INDEX": "Indices",
    },
    "map_rows": {"fit": "Fit", "3": "Larger", "14": "Symbols"},
    "map_total": {"symbols": "symbols", "indices": "indices"},
    "map_word": {
        "session": "Session", "sector": "Sector", "no_sector": "Not in the list of JPX", "bars": "Bars",
        "median": "median", "asked": "Requested", "never_asked": "no record", "per_session": "to fetch",
        "newest": "newest: {n}", "last_20": "20 sess.", "no_match": "No symbol matches.", "found": "{n} of {all} rows",
    },
    "message_state": {"waiting": "waits", "pending": "to be sent", "delivered": "delivered", "dead": "dead letter"},
    "metric_about": {
        "total_return": "from the starting cash, after costs", "cagr": "compound, 244 sessions a year",
        "volatility": "standard deviation of daily returns, 244 sessions a year",
        "sharpe": "arithmetic mean, risk-free rate 0%", "sortino": "downside deviation below 0%",
        "max_drawdown": "from the running peak", "longest_below_peak": "sessions",
        "exposure": "mean value of all positions, as a share of equity", "hit_rate": "of closed trades, after fees",
        "turnover": "value bought and sold, times the mean equity", "fees": "of all fills",
        "alpha": "return in a year that beta does not explain, risk-free rate 0%",
        "beta": "covariance with the benchmark over its variance",
        "tracking_error": "standard deviation of the differences to the benchmark",
        "information_ratio": "mean difference to the benchmark over the tracking error",
        "up_capture": "return over that of the benchmark, in sessions in which it rose",
        "down_capture": "return over that of the benchmark, in sessions in which it fell",
    },
    "metric_name": {
        "final_equity": "Final equity, yen", "total_return": "Total return", "cagr": "Return a year",
        "volatility": "Volatility a year", "sharpe": "Sharpe", "sortino": "Sortino", "calmar": "Calmar ratio",
        "max_drawdown": "Maximum drawdown", "hit_rate": "Trades with a gain", "turnover": "Turnover a year",
        "exposure": "Exposure", "trades": "Closed trades", "longest_below_peak": "Longest below a peak",
        "fees": "Fees, yen", "alpha": "Alpha a year", "beta": "Beta", "tracking_error": "Tracking error a year",
        "information_ratio": "Information ratio", "up_capture": "Up capture", "down_capture": "Down capture",
    },
    "sampler": {"random": "at random", "tpe": "where earlier ones did well (TPE)"},
    "missed_rule": {"latest": "run the newest one", "skip": "do not run", "all": "run all of them"},
    "month": {
        "1": "Jan", "2": "Feb", "3": "Mar", "4": "Apr", "5": "May", "6": "Jun", "7": "Jul", "8": "Aug", "9": "Sep",
        "10": "Oct", "11": "Nov", "12": "Dec",
    },
    "no_dead_letters": {
        "open": "No chunk waits for a retry.", "retried": "No chunk that was given up has been retried.",
        "all": "No chunk was given up.",
    },
    "notice": {
        "items_failed": ("{n} item failed: {outcome}", "{n} items failed: {outcome}"), "job_failed": "The job failed",
        "given_up": "Chunk {chunk} was given up", "run_expired": "Chunk {chunk} was lost and ran again",
        "run_expired_open": "Chunk {chunk} was lost", "run_broken": "Chunk {chunk} broke and ran again",
        "run_broken_open": "Chunk {chunk} broke", "run_waiting": "Chunk {chunk} waited",
        "run_waiting_open": "Chunk {chunk} waits", "run_failed": "Chunk {chunk} failed",
        "pauses": ("Chunks were paused {n} time", "Chunks were paused {n} times"),
        "why_cancelled": "The job was cancelled", "why_retried": "The job was retried",
        "flagged": ("{n} bar has a flag", "{n} bars have a flag"),
        "corrected": ("{n} stored bar was corrected", "{n} stored bars were corrected"),
    },
    "notice_text": {
        "items_failed": "First {item}: {why}", "job_failed": "{why}",
        "given_up": ("After {n} attempt: {why}", "After {n} attempts: {why}"),
        "run_expired": "At {at} it was taken from {worker}: {why}. {next_worker} took the chunk at {next_at} and went on after the {settled} of {items} that were settled. No data was lost.",
        "run_expired_open": "At {at} it was taken from {worker}: {why}. Another worker will go on with it.",
        "run_broken": "At {at}: {why}. {next_worker} went on at {next_at} after the {settled} of {items} that were settled.",
        "run_broken_open": "At {at}: {why}. It is tried again.",
        "run_waiting": "From {at}: {why}. It went on at {next_at}. A wait is not counted as an attempt.",
        "run_waiting_open": "Since {at}: {why}.", "run_failed": "At {at}: {why}.",
        "pauses": "For {seconds} in all, the first at {at}: {why}. A pause is not counted as an attempt.",
        "why_cancelled": "At {at}: {why}", "why_retried": "At {at}: {why}",
        "corrected": "The provider gave other values than before; old and new are in the log.",
    },
    "notifications_done": {
        "rule_added": "The rule was added.", "channel_added": "The channel was set up. Test it.",
        "changed": "The change was saved.", "removed": "It was removed.",
        "tested": "The test is being sent: see the log.", "again": "The message is sent again, with the same id.",
    },
    "parameter": {
        "fast": "Fast average, bars", "slow": "Slow average, bars", "side": "Sides", "lookback": "Gains over, bars",
        "by": "Ratio, cheapest first",
        "every": "Change every, bars", "top": "Symbols held", "period": "Mean over, bars",
        "deviations": "Distance of the bands, deviations", "entry": "Channel to enter, bars",
        "exit": "Channel to leave, bars", "weight": "Weight of each position",
        "stop_loss": "Stop-loss, share of the price", "take_profit": "Take-profit, share of the price",
    },
    "period": {"7d": "Last 7 days", "today": "Today", "30d": "Last 30 days", "any": "Any time"},
    "ratio": {
        "per": "Price to earnings (PER)", "forward_per": "PER by the forecast", "pbr": "Price to book (PBR)", "dividend_yield": "Dividend yield",
    },
    "request_field": {
        "adjusted": "Adjusted for splits", "all_days": "Every day", "analyst": "Analyst", "as_of": "As known at",
        "benchmark": "Benchmark", "cash": "Cash, yen", "channel_id": "Channel", "chunk_size": "Chunk size", "days": "Days",
        "first": "First day", "folds": "Folds", "format": "Format", "include_short": "Also doubtful sessions",
        "indicators": "Indicators", "interval": "Bar length", "intervals": "Bar lengths and look-back",
        "job_id": "Job", "keep": "Best trials kept", "keep_days": "Days kept", "kind": "Kind", "kinds": "Kinds",
        "language": "Language", "last": "Last session", "market": "Market", "model": "Fill model, as JSON",
        "months": "Months", "most_lost_percent": "Most that a list may lack, %", "out_of_sample": "Out of sample",
        "parameters": "Parameters, as JSON", "portfolio_id": "Portfolio", "provider": "Provider",
        "rank_by": "Ranked by", "reason": "Reason", "sampler": "How trials are chosen", "seed": "Seed", "session": "Session",
        "sessions": "Look-back, sessions", "strategy": "Strategy", "symbol": "Symbol", "symbols": "Symbols",
        "trials": "Trials",
    },
    "picture_note": {
        "sent": "The models got this picture, too.", "goes": "This picture would be sent, too.",
        "stays": "This picture is not sent.",
    },
    "place": {
        "overview": "Overview", "jobs": "Jobs", "data": "Data", "backtests": "Backtests", "analyses": "Analyses",
        "portfolios": "Portfolios", "schedules": "Schedules", "pipelines": "Pipelines", "screens": "Screens",
        "notifications": "Notifications",
        "webhooks": "Webhooks", "quarantine": "Quarantine", "workers": "Workers", "settings": "Settings",
        "dead_letters": "Dead letters", "users": "Users", "tokens": "Tokens", "sessions": "Sessions",
        "audit": "Audit log", "docs": "API reference", "more": "More",
    },
    "portfolio_done": {
        "booked": "The entry was booked.", "reversed": "The entry was taken back by another one.",
        "imported": "All entries of the file were booked.",
        "dividends": ("{n} dividend was booked.", "{n} dividends were booked."),
        "renamed": "The portfolio has its new name.",
    },
    "portfolio_part": {"trades": "Trades", "cash": "Cash movements"},
    "preference": {
        "theme": "Colours", "theme_auto": "as the system", "theme_light": "light", "theme_dark": "dark",
        "updown": "Prices", "updown_jp": "Japan: red is up", "updown_intl": "green is up, red is down",
        "updown_mono": "without colour",
    },
    "prompt_part": {"user": "Facts", "system": "Instructions", "schema": "Form of the answer"},
    "role": {"viewer": "viewer", "operator": "operator", "admin": "admin"},
    "rule_time": {
        "quiet_from": "Quiet from", "quiet_until": "Quiet until", "gather": "Gather events until",
        "deadline": "Deadline of incomplete data",
    },
    "schedule_done": {
        "changed": "The schedule was changed.", "added": "The schedule was added.",
        "enabled": "The schedule is on. It goes on with its next due time.",
        "disabled": "The schedule is off. Jobs that it has submitted run on.",
    },
    "scope": {
        "ingest": "submit ingests", "jobs:read": "read jobs, schedules, webhooks, workers",
        "jobs:write": "submit other jobs; cancel, retry and delete jobs", "bars:read": "read bars and coverage",
        "schedules:write": "change schedules", "portfolios:read": "read portfolios",
        "alerts:write": "post alerts of Alertmanager", "portfolios:write": "book trades and cash",
        "strategies:run": "run strategies of users", "admin": "manage users, tokens, settings",
    },
    "sessions_shown": {"own": "Mine", "all": "Everybody's"},
    "settings_shown": {"all": "All", "changed": "Changed", "secret": "Secrets"},
    "side": {"long": "long only", "both": "long and short"},
    "some": {"symbols": "{n}", "indices": "{n}"},
    "started_by": {"hand": "by hand", "job": "the end of a job", "schedule": "a schedule"},
    "step_on": {"completed": "if completed", "partial": "if completed or partly failed", "any": "after any end"},
    "strategy_about": {
        "sma_cross": "Buy when the fast average crosses above the slow one; sell (or go short) when it crosses below.",
        "momentum_rank": "Every few bars, hold the symbols that rose most, with equal weights.",
        "value_rank": "Every few bars, hold the symbols that are cheapest by a ratio to their statements, with equal weights.",
        "mean_reversion": "Buy at a close below the lower band, sell at one at the middle or above; with both sides, the reverse too.",
        "breakout": "Buy at a close above the highest high of the bars before, sell at one below their lowest low (Donchian).",
        "buy_and_hold": "Buy each symbol after its first bar, with equal weights, and hold it.",
    },
    "strategy_name": {
        "sma_cross": "SMA cross", "momentum_rank": "Momentum rank", "value_rank": "Value rank", "mean_reversion": "Mean reversion",
        "breakout": "Breakout", "buy_and_hold": "Buy and hold",
    },
    "token_state": {"revoked": "revoked", "expired": "expired", "maker_ended": "maker ended"},
    "user_done": {
        "added": "The user was added and can log in.",
        "changed": "The user was changed; it holds within 5 s everywhere.",
    },
    "webhook_state": {
        "waiting": "waits for the job", "pending": "to be sent", "delivered": "delivered", "dead": "given up",
    },
    "whole": {
        "listed": ("{n} listed symbol", "{n} listed symbols"), "symbols": ("{n} symbol", "{n} symbols"),
        "indices": ("{n} index", "{n} indices"),
    },
    "why_not": {
        "retry": "e.g. the provider has recovered", "again": "e.g. the list of symbols was wrong",
        "cancel": "e.g. submitted by mistake",
    },
    "span": {
        "1D": "1D", "5D": "5D", "1M": "1M", "3M": "3M", "6M": "6M", "1Y": "1Y", "5Y": "5Y",
    },
    "fiscal": {"1Q": "1Q", "2Q": "2Q", "3Q": "3Q", "FY": "Full year"},
    "study": {
        "sma": "Moving averages", "vma": "Volume average", "bbands": "Bollinger bands", "rsi": "RSI", "macd": "MACD",
        "ema": "Exponential average", "wma": "Weighted average", "vwap": "VWAP", "stoch": "Stochastics",
        "adx": "ADX", "atr": "ATR", "cci": "CCI", "roc": "Rate of change", "mfi": "MFI", "obv": "OBV",
    },
    "study_line": {
        "sma": "MA {p}", "vma": "Volume MA {p}", "ema": "EMA {p}", "wma": "WMA {p}", "vwap": "VWAP",
        "bbands_upper": "Bollinger {p} upper", "bbands_middle": "Bollinger {p} middle",
        "bbands_lower": "Bollinger {p} lower", "rsi": "RSI {p}", "macd": "MACD {p}", "macd_signal": "signal",
        "macd_histogram": "histogram", "stoch_k": "Stochastics {p} %K", "stoch_d": "%D", "adx": "ADX {p}",
        "adx_plus_di": "+DI", "adx_minus_di": "−DI", "atr": "ATR {p}", "cci": "CCI {p}", "roc": "ROC {p} (%)",
        "mfi": "MFI {p}", "obv": "OBV",
    },
}  # fmt: skip


def label(kind: str, code: str, language: Language, *, n: object = None) -> str:
    """Return the label of a code, with its fields not yet filled; an unknown code as it is.

    Raises:
        KeyError: no page knows this kind.

    """
    found, context = (CODES[kind] if kind in CODES else LABELS[kind]).get(code, code), f"{kind} {code}"
    if isinstance(found, str):
        return gettext(found, language, context)
    return ngettext(*found, n, language, context)


@dataclass(frozen=True, slots=True)
class CompanyName:
    """A name, and the language that it is in, which a screen reader needs."""

    text: str
    language: Language


def name_of(listing: ListedSymbol, language: Language) -> CompanyName:
    """Return the name in a listing of the API: the English one for an English page, if the list has it."""
    if language == "en" and (english := listing.name_en):
        return CompanyName(english, "en")
    return CompanyName(listing.name, "ja")
