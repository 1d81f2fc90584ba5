"""Corporate actions that an ingest meets: those that its provider tells of, and those that its bars look like."""

from collections.abc import Sequence

import polars as pl

from batch.bars.actions.detect import suspect_splits
from batch.bars.actions.store import NOTE_SCHEMA, Origin, build_notes
from batch.bars.quality.screen import Checked, QualityContext
from batch.market.action import ActionState, CorporateAction

_FLAG = "split_suspect"
#: Made once: most windows have just this to note.
_NOTHING = pl.DataFrame(schema=NOTE_SCHEMA)


def gather_notes(told: Sequence[CorporateAction], checked: Checked, *, context: QualityContext) -> pl.DataFrame:
    """Return notes in `NOTE_SCHEMA` of what was told and of what checked bars look like; most windows have none."""
    is_suspect = _FLAG in checked.flags
    if not told and not is_suspect:
        return _NOTHING
    closes, is_tse = context.previous_closes, context.market.is_tse
    suspected = suspect_splits(checked.bars, closes, is_tse=is_tse) if is_suspect else ()
    words = ((told, Origin.PROVIDER, ActionState.TOLD), (suspected, Origin.BARS, ActionState.SUSPECTED))
    return pl.concat([build_notes(*word, noted_at=context.now) for word in words])
