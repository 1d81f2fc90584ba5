"""A trial of an ingest: the provider's bars go through the ingest, and are dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.quality.hard_rules import REASONS, UNREADABLE
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.drivers.clock import utc_now
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.resolve import Planning, resolve_plan
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import SymbolOutcome
from kaboom.providers.base import BarProvider
from kaboom.providers.file.errors import Refusal

#: Many slots make small chunks: the bars of one chunk are in memory.
_SLOTS = 1_000


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a trial.

    Attributes:
        outcomes: what becomes of each symbol, by interval.
        rejected: the rows that would be in quarantine, in `QUARANTINE_SCHEMA`.
        days: the days that would be ingested, by interval, without those in the future.

    """

    outcomes: Mapping[Interval, Sequence[SymbolOutcome]]
    rejected: pl.DataFrame
    days: Mapping[Interval, Sequence[date]]

    def to_json(self) -> dict[str, Any]:
        """Return the bars that would be stored and the rows that would not, in all and of each symbol, and the days."""
        outcomes = [(interval, outcome) for interval, found in self.outcomes.items() for outcome in found]
        return {
            "stored": sum(outcome.rows for _, outcome in outcomes),
            "rejected": sum(outcome.refused for _, outcome in outcomes),
            "days": {
                interval.value: {"count": len(days), "first": days[0].isoformat(), "last": days[-1].isoformat()}
                for interval, days in self.days.items()
            },
            "symbols": [
                {"symbol": each.symbol, "interval": interval.value, "outcome": each.outcome.value}
                | {"stored": each.rows, "rejected": each.refused, "message": each.message}
                for interval, each in outcomes
            ],
        }

    def add_rejected(self, files: Sequence[dict[str, Any]]) -> None:
        """Add to each file, as `describe_files` returns it, the rows that the quality rules reject, by their reason."""
        by_rule = self.rejected.filter(pl.col("reason") != REASONS[UNREADABLE])
        for file in files:
            refusals = file["refusals"]
            named = [refusal["line"] for refusal in refusals if refusal["column"]]
            of_file = by_rule.filter(pl.col("file") == file["file"], ~pl.col("line").is_in(named)).sort("line")
            for (symbol, reason), rows in of_file.group_by("symbol", "reason", maintain_order=True):
                why = f"rejected: {reason}"
                refusal = Refusal(file["file"], why, rows["line"][0], symbol=str(symbol), rows=rows.height)
                refusals.append(refusal.to_json())
            refusals.sort(key=lambda refusal: refusal["line"] or 0)


async def try_ingest(provider: BarProvider) -> Trial:
    """Ingest all that a provider of own data has, into a store that is dropped.

    Raises:
        ProviderError: the provider has no bars.

    """
    request = IngestRequest(market=Market.FILE, all_days=True)
    plan = await resolve_plan(request, provider, Planning(utc_now, Path(), 0.0, _SLOTS))
    outcomes: dict[Interval, list[SymbolOutcome]] = {}
    days: dict[Interval, set[date]] = {}
    rejected = [pl.DataFrame(schema=QUARANTINE_SCHEMA)]
    drop = IngestTools(provider, MemoryBarStore(), MemoryActionStore(), Market.FILE, frozenset(), utc_now)
    for chunk in plan.chunks:
        tools = replace(drop, store=MemoryBarStore())
        outcomes.setdefault(chunk.interval, []).extend((await run_chunk(chunk, tools)).outcomes)
        days.setdefault(chunk.interval, set()).update(day for day in chunk.sessions if day <= plan.session)
        rejected.append(await tools.store.read_quarantine(BarSeries(provider.name, chunk.interval)))
    return Trial(outcomes, pl.concat(rejected), {interval: sorted(found) for interval, found in days.items()})
