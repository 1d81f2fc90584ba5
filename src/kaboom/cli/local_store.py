"""The bar store of the data folder, and the choice of one of its series."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session
from kaboom.market.interval import parse_interval
from kaboom.market.source import derived_source, is_derived
from kaboom.providers.registry import get_source_spec
from kaboom.settings import load_settings

if TYPE_CHECKING:
    from kaboom.bars.actions.store import ActionStore
    from kaboom.bars.store import BarStore
    from kaboom.drivers.open_sessions import Closable
    from kaboom.market.bar import BarSeries


async def choose_series(
    session: Session, store: "BarStore", interval: str, source: str | None, *, market: str | None = None
) -> "BarSeries":
    """Return the series to use for an interval: of `source`, the only one held, or of KABOOM_PROVIDER.

    A provider's own bars come before those rolled up from its minutes. If several series are held, stderr names the
    chosen one.

    Raises:
        CliError: no series is held, or several that are all of other providers.

    """
    wanted = parse_interval(interval)
    held = [s for s in await store.list_series() if s.interval is wanted and (source is None or s.source == source)]
    if not held:
        what = f"{source} {interval}" if source else interval
        raise none_held(session, what, interval, source=source, market=market)
    if len(held) == 1:
        return held[0]
    sources = [s.source for s in held]
    provider = load_settings().provider
    chosen = next((name for name in (provider, derived_source(provider)) if name in sources), None)
    if chosen is None:
        raise CliError(
            Exit.USAGE,
            session.words.say(
                "bars of several sources are held ({sources}): choose one with --source", sources=", ".join(sources)
            ),
        )
    others = ", ".join(name for name in sources if name != chosen)
    session.say("bars of {source}; also held, for --source: {others}", source=chosen, others=others)
    return held[sources.index(chosen)]


def open_store() -> "AbstractAsyncContextManager[BarStore]":
    """Open the bar store of the data folder, during an `async with`."""
    from kaboom.bars.open import build_bar_store  # noqa: PLC0415  polars, which other commands do without

    return closing(build_bar_store(load_settings()))


def open_actions() -> "AbstractAsyncContextManager[ActionStore]":
    """Open the store of corporate actions of the data folder, during an `async with`."""
    from kaboom.bars.open import build_action_store  # noqa: PLC0415  polars, which other commands do without

    return closing(build_action_store(load_settings()))


def none_held(
    session: Session,
    what: str,
    interval: str = "1m",
    *,
    source: str | None = None,
    symbol: str | None = None,
    market: str | None = None,
) -> CliError:
    """Return the error that no such bars are held, with a command that ingests some from their source."""
    command = "kaboom ingest run-daily --wait" + ("" if interval == "1m" else f" --interval {interval}")
    if source is not None and not is_derived(source):
        spec = get_source_spec(source)
        command += "" if source == load_settings().provider else f" --provider {source}"
        command += "" if spec.is_tse else " --all"
    if symbol is not None and symbol.startswith("^"):
        market, symbol = "INDEX", symbol[1:]
    elif symbol is not None:
        from kaboom.market.lists.history import load_history  # noqa: PLC0415  polars, which other commands do without

        settings = load_settings()
        follows = get_source_spec(source or settings.provider).capabilities.follows_lists
        if follows and (unknown := load_history(settings.symbols_dir).describe_unknown([symbol], None)):
            return CliError(
                Exit.NOT_FOUND,
                session.words.say(
                    "no bars of {what} in {place}; {why}",
                    what=what,
                    place=store_place(),
                    why=session.words.detail(unknown),
                ),
            )
    command += f" --market {market}" if market else ""
    command += f" --symbol {symbol}" if symbol else ""
    return CliError(
        Exit.NOT_FOUND,
        session.words.say(
            "no bars of {what} in {place}; ingest some: {command}", what=what, place=store_place(), command=command
        ),
    )


def store_place() -> str:
    """Return the place of the bars, as text for people."""
    from kaboom.bars.open import describe_bar_store  # noqa: PLC0415  polars, which other commands do without

    return describe_bar_store(load_settings())


def print_series(session: Session, series: "BarSeries", text: str) -> None:
    """Print a line and the source of its bars; generated bars are always marked as such."""
    session.show(text)
    session.show(session.say_source(series.source))


@asynccontextmanager
async def closing[T: "Closable"](opened: T) -> AsyncIterator[T]:
    """Yield a store, a provider or other parts, and close them at the end."""
    try:
        yield opened
    finally:
        await opened.close()
