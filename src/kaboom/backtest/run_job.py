"""Run a backtest of stored bars: the steps that a worker's job and the command line share, and a worker's strategy."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from kaboom.backtest.own.process import StrategyLimits
from kaboom.backtest.own.strategy import FindStrategy, open_strategy
from kaboom.backtest.request import BacktestRequest, BarsAsked, SweepRequest
from kaboom.backtest.study.bars import BarTools, StudyBars, load_bars, resolve_days
from kaboom.bars.history import pin_moment
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.disclosures.store import open_disclosures
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import Database
from kaboom.drivers.stop import ShouldStop, never


def pin_request[R: BarsAsked](request: R, settings: BatchSettings) -> R:
    """Return the request with its provider, its days and the moment of its bars, so that a repetition reads the same.

    With InfluxDB it has no moment, so a repetition reads bars with later corrections.

    Raises:
        InvalidRequest: a day is not a session, or a day or the moment is in the future, or InfluxDB has no moments.

    """
    filled = request if request.provider else request.filled(provider=settings.provider)
    dated = resolve_days(filled, utc_now(), delay_s=settings.provider_delay_s)
    moment = pin_moment(build_bar_store(settings), dated.as_of)
    return dated.filled(as_of=moment.isoformat()) if moment else dated


async def load_study_bars(
    request: BarsAsked,
    settings: BatchSettings,
    *,
    statements: Sequence[str] = (),
    database: Database | None = None,
    should_stop: ShouldStop = never,
) -> StudyBars:
    """Return the bars of a request whose days are known, as of its moment if it has one.

    `statements` are the columns of statements that the strategy reads, from `database`.

    Raises:
        InvalidRequest: there are no bars, or none can be read as of the moment.
        StoreError: a store could not be read.
        Stopped: `should_stop` turned true.

    """
    disclosures = database.open(open_disclosures) if database else None
    tools = BarTools(build_bar_store(settings), build_action_store(settings), settings.symbols_dir, disclosures)
    return await load_bars(request, tools, statements=statements, should_stop=should_stop)


def open_requested(
    request: BacktestRequest | SweepRequest, settings: BatchSettings, *, should_stop: ShouldStop
) -> AbstractContextManager[FindStrategy]:
    """Return the context in which the strategy of a request can be found and run; a file runs in its own process."""
    limits = StrategyLimits(settings.strategy_memory_mb, settings.strategy_timeout_s, (settings.data_dir,))
    return open_strategy(request.strategy, request, settings.strategies_dir, limits, should_stop)
