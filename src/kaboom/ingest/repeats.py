"""Detecting a session in which a provider repeated the bars of the session before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import structlog

from kaboom.bars.quality.checks import Checked
from kaboom.bars.quality.session_rules import RepeatSuspect
from kaboom.bars.store import BarStore
from kaboom.errors import StoreDamaged
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.calendar import previous_session, utc_midnight

_log = structlog.get_logger(__name__)


async def flag_repeats_of_stored(checked: Checked, store: BarStore, series: BarSeries, *, session: date) -> Checked:
    """Flag symbols whose bars of `session`, the first in a checked frame, equal the stored ones of the session before.

    Only suspects are read: 2 or 3 % of the symbols on an ordinary day. A suspect whose stored page is damaged is logged
    and not flagged.

    Raises:
        StoreError: the store could not be read.

    """
    if not checked.suspects:
        return checked
    before = previous_session(session)
    start = utc_midnight(before)
    repeated = []
    for suspect in checked.suspects:
        try:
            old = await store.read(series, suspect.symbol, start=start, end=start + timedelta(days=1))
        except StoreDamaged as e:
            _log.warning("check_left_out", check="repeats of the session before", reason=e.message)
            continue
        shifted = old.with_columns(pl.col("opened_at") + (session - before))
        if shifted.drop("flags").equals(checked.bars.slice(suspect.start, suspect.bars).drop("flags")):
            repeated.append(suspect)
    return _flagged(checked, repeated) if repeated else checked


def _flagged(checked: Checked, repeated: Sequence[RepeatSuspect]) -> Checked:
    flags = checked.bars["flags"].to_numpy().copy()
    for suspect in repeated:
        flags[suspect.start : suspect.start + suspect.bars] |= np.uint16(BarFlag.STALE)
    stale = int(np.count_nonzero(flags & np.uint16(BarFlag.STALE)))
    bars = checked.bars.with_columns(flags=pl.Series(flags))
    return replace(checked, bars=bars, flags={**checked.flags, "stale": stale})
