"""Gather the facts of an analysis from stored bars, and find the models that may be asked."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import polars as pl

from kaboom.analysis.facts.market import INDICATORS, History, Holding, gather_risk, gather_technical
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.models.terms import Budget, ModelTerms, parse_chains
from kaboom.analysis.request import AnalysisRequest
from kaboom.analysis.vocabulary import Kind
from kaboom.bars.actions.adjustment import applied_actions
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.indicators.run import IndicatorTools, load_indicators
from kaboom.indicators.table import parse_indicators
from kaboom.market.action import CorporateAction, Split, splits_of
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, OLDEST_YEAR, last_sessions, resolve_last_session
from kaboom.market.interval import Interval
from kaboom.pictures.candlesticks import CandlestickStyle, Indicators, picture_of_bars
from kaboom.pictures.model import Picture

#: The indicators over the bars and below them in the picture of a symbol, with their labels.
_AVERAGES = {"sma_25": "SMA 25", "sma_75": "SMA 75"}
_BELOW = {"rsi_14": "RSI 14"}


def resolve_session(request: AnalysisRequest, settings: BatchSettings) -> date:
    """Return the last session of a request.

    Raises:
        InvalidRequest: the day is not a session, or its session has not opened.

    """
    delay_s = settings.provider_delay_s
    return resolve_last_session(request.session, utc_now(), is_tse=request.is_tse, delay_s=delay_s)


def find_models(settings: BatchSettings) -> ModelTerms | None:
    """Return how models are asked; None if a setting is missing, as `settings.lacking_for_models` reports."""
    if settings.lacking_for_models is not None or settings.openrouter_key is None:
        return None
    return ModelTerms(
        base_url=settings.openrouter_url.rstrip("/"),
        key=settings.openrouter_key.get_secret_value(),
        chains=parse_chains(settings.ai_models or ""),
        prompt_price=settings.ai_prompt_price,
        completion_price=settings.ai_completion_price,
        budget=Budget(settings.ai_job_budget, settings.ai_day_budget),
        deadline_s=settings.ai_deadline_s,
    )


async def load_splits(provider: str, symbols: Collection[str], settings: BatchSettings) -> tuple[Split, ...]:
    """Return the splits of some symbols up to today in Japan.

    Raises:
        StoreError: the store cannot be read.

    """
    notes = await build_action_store(settings).load(provider, sorted(symbols))
    found = applied_actions(notes, until=utc_now().astimezone(JST).date())
    return splits_of(CorporateAction(*row) for row in found.select("symbol", "ex_session", "factor").rows())


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts of one subject; a symbol with bars also has a picture."""

    facts: Facts
    picture: Picture | None = None


async def gather_symbol(
    request: AnalysisRequest, symbol: str, last: date, settings: BatchSettings, *, holding: Holding | None = None
) -> Gathered:
    """Return the facts of a symbol up to the session `last`, from daily bars that are adjusted for splits.

    Raises:
        StoreError: the bars could not be read.

    """
    series = BarSeries(request.source, Interval.D1)
    # Files have no calendar: their sessions are those in the store.
    first = last_sessions(request.sessions, last)[0] if request.is_tse else date(OLDEST_YEAR, 1, 1)
    indicators = parse_indicators(INDICATORS, Interval.D1)
    tools = IndicatorTools(build_bar_store(settings), build_action_store(settings), indicators, settings.indicators_dir)
    rows = (await load_indicators(series, symbol, tools, first=first, last=last)).tail(request.sessions)
    asked = request.sessions if request.is_tse else rows.height
    history = History(symbol, _days(rows), _columns(rows), asked, holding=holding)
    facts = gather_risk(history) if request.kind == Kind.RISK.value else gather_technical(history)
    return Gathered(facts, _picture(symbol, rows) if facts.is_known else None)


def _picture(symbol: str, rows: pl.DataFrame) -> Picture:
    """Return the newest bars as candles with averages, and RSI below them."""
    known = {name: rows[name].cast(pl.Float64()).to_list() for name in _AVERAGES | _BELOW if name in rows.columns}
    over = {word: known[name] for name, word in _AVERAGES.items() if name in known}
    below = {word: {word: known[name]} for name, word in _BELOW.items() if name in known}
    style = CandlestickStyle(title=symbol, sub=f"1d, {_days(rows)[-1]}")
    return picture_of_bars(rows, indicators=Indicators(over, below), style=style)


def _days(rows: pl.DataFrame) -> list[date]:
    days: list[date] = rows["opened_at"].dt.convert_time_zone("Asia/Tokyo").dt.date().to_list()
    return days


def _columns(rows: pl.DataFrame) -> dict[str, list[float | None]]:
    numeric = (name for name, kind in rows.schema.items() if kind.is_numeric())
    return {name: rows[name].cast(pl.Float64()).to_list() for name in numeric}
