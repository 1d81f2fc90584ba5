"""Repairing a missing or damaged file of corporate actions: a new file gets the notes that can be read."""

from functools import partial
from pathlib import Path

from kaboom.bars.actions.damage import find_damage, salvage_notes
from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.bars.pages.repair.port import RepairedItem
from kaboom.bars.pages.repair.replace import sole_writer, swap_file

#: The message about data that a repair cannot restore.
_LOST = (
    "the next ingest saves again what its provider reports; enter again what people added or confirmed"
    " (`kaboom actions add`, `kaboom actions confirm`)"
)


def replace_actions(path: Path, catalogue: Catalogue, archive: DamageArchive | None) -> RepairedItem | None:
    """Replace a damaged file of corporate actions; without `archive` only report. None if it is sound.

    Raises:
        StoreError: writers did not release the lock, or the disk failed; the damaged file is unchanged.

    """
    if archive is None:
        damage = find_damage(path)
        done = f"the notes that can be read would be kept; {_LOST}"
        return RepairedItem(str(path), damage, done) if damage else None
    with sole_writer(path):
        if not (damage := find_damage(path)):
            return None
        notes, kept = swap_file(path, partial(salvage_notes, path), catalogue, archive, "-journal")
    done = f"a new file has the {notes} notes that could be read; {_LOST}"
    return RepairedItem(str(path), damage, done, str(kept) if kept.exists() else "")
