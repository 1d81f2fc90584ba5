"""Run a backtest of stored bars: what a worker's job and the command line share."""

from batch.backtest.request import BarsAsked
from batch.backtest.strategies.files import StrategyKind, find_strategy
from batch.backtest.study.bars import BarTools, StudyBars, load_bars, resolve_days
from batch.kit.clock import utc_now
from batch.kit.stop import ShouldStop, never
from batch.settings import BatchSettings
from batch.wiring import build_action_store, build_bar_store


def with_days[R: BarsAsked](request: R, settings: BatchSettings) -> R:
    """Return the request with its provider and its days, by which it means the same bars later.

    Raises:
        InvalidRequest: a day is not a session, or in the future.

    """
    filled = request if request.provider else request.filled(provider=settings.provider)
    return resolve_days(filled, utc_now(), delay_s=settings.provider_delay_s)


async def load_study_bars(request: BarsAsked, settings: BatchSettings, *, should_stop: ShouldStop = never) -> StudyBars:
    """Return the bars of a request whose days are known.

    Raises:
        InvalidRequest: there are none.
        StoreError: a store could not be read.
        Stopped: `should_stop` turned true.

    """
    tools = BarTools(build_bar_store(settings), build_action_store(settings), settings.symbols_dir)
    return await load_bars(request, tools, should_stop=should_stop)


def find_kind(name: str, settings: BatchSettings) -> StrategyKind:
    """Return the strategy of a name: one that comes with Kaboom, or a file in KABOOM_STRATEGIES_DIR.

    Raises:
        InvalidRequest: there is none, or its file cannot be loaded.

    """
    return find_strategy(name, settings.strategies_dir)
