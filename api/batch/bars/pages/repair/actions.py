"""A file of corporate actions that is gone or damaged: replaced by the notes that can be read of it."""

import uuid
from pathlib import Path

from batch.bars.actions.check import find_damage, salvage_notes
from batch.bars.folder.catalogue import Catalogue
from batch.bars.folder.errors import store_errors
from batch.bars.folder.lock import sole_lock
from batch.bars.pages.repair.aside import Aside
from batch.bars.pages.repair.port import Mended
from batch.kit.durable import make_folders, sync

_LOCK_S = 60.0
#: What a repair cannot bring back.
_LOST = (
    "the next ingest notes again what its provider tells; what people had added or confirmed is to be entered again "
    "(`kaboom actions add`, `kaboom actions confirm`)"
)


def replace_actions(path: Path, catalogue: Catalogue, aside: Aside | None) -> Mended | None:
    """Set a damaged file of corporate actions aside; without `aside` only look. None where it is sound.

    Raises:
        StoreError: writers did not make way, or the disk refused; the damaged file is as it was.

    """
    if aside is None:
        damage = find_damage(path)
        return Mended(str(path), damage, f"the notes that can be read would be kept; {_LOST}") if damage else None
    with store_errors(path):
        make_folders(path.parent)
        with sole_lock(path.parent, within_s=_LOCK_S):
            damage = find_damage(path)
            return _replace(path, damage, catalogue, aside) if damage else None


def _replace(path: Path, damage: str, catalogue: Catalogue, aside: Aside) -> Mended:
    fresh = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.new")
    try:
        notes = salvage_notes(path, fresh)
        kept = aside.keep_file(path, "-journal")
        fresh.replace(path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
    catalogue.note(path)
    done = f"a new file has the {notes} notes that could be read; {_LOST}"
    return Mended(str(path), damage, done, str(kept) if kept.exists() else "")
