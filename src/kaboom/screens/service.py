"""The screener of a process, built by the first screen; until then the API does not load polars."""

from typing import TYPE_CHECKING

from kaboom.disclosures.store import open_disclosures
from kaboom.drivers.clock import utc_now
from kaboom.drivers.lazy import Lazy
from kaboom.screens.model import Question

if TYPE_CHECKING:
    from kaboom.domain_settings import BatchSettings
    from kaboom.drivers.postgres.database import Database
    from kaboom.screens.evaluate import Answer, Screener


def build_screener(settings: "BatchSettings", database: "Database") -> "Screener":
    """Return a screener over the stores of the settings, which stay open, and the statements of a database."""
    from kaboom.bars.open import build_action_store, build_bar_store  # noqa: PLC0415  with polars
    from kaboom.screens.evaluate import Screener, Stores  # noqa: PLC0415  0.3 s and 60 MB of polars, numpy and TA-Lib

    return Screener(
        Stores(build_bar_store(settings), build_action_store(settings), database.open(open_disclosures)),
        symbols_dir=settings.symbols_dir,
        delay_s=settings.provider_delay_s,
        clock=utc_now,
    )


class SharedScreener:
    """The screener of an API, built with the first screen."""

    def __init__(self, settings: "BatchSettings", database: "Database") -> None:
        self._built: Lazy[Screener] = Lazy(lambda: build_screener(settings, database))

    async def ask(self, question: Question) -> "Answer":
        """Return what passes, as `Screener.ask` does: without a session, in the newest of which bars are held."""
        return await (await self._built.get()).ask(question, or_older=True)
