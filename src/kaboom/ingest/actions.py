"""Corporate actions found by an ingest: reported by its provider, or suspected from its bars."""

from collections.abc import Sequence

import polars as pl

from kaboom.bars.actions.detect import suspect_splits
from kaboom.bars.actions.store import NOTE_SCHEMA, Origin, build_notes
from kaboom.bars.quality.checks import Checked, QualityContext
from kaboom.market.action import ActionState, CorporateAction

_FLAG = "split_suspect"


def build_action_notes(
    reported: Sequence[CorporateAction], checked: Checked, *, context: QualityContext
) -> pl.DataFrame:
    """Return notes in `NOTE_SCHEMA` of the reported actions, and of splits suspected in checked bars."""
    is_suspect = _FLAG in checked.flags
    if not reported and not is_suspect:
        return pl.DataFrame(schema=NOTE_SCHEMA)
    closes, is_tse = context.previous_closes, context.market.is_tse
    suspected = suspect_splits(checked.bars, closes, is_tse=is_tse) if is_suspect else ()
    found = ((reported, Origin.PROVIDER, ActionState.REPORTED), (suspected, Origin.BARS, ActionState.SUSPECTED))
    return pl.concat([build_notes(*each, noted_at=context.now) for each in found])
