"""Digests for repeating a backtest: of its bars, and of the code that ran it."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from kaboom.backtest.engine.arrays import LAST
from kaboom.backtest.panel import Panel
from kaboom.backtest.study.bars import StudyBars


def fingerprint_of(bars: StudyBars) -> str:
    """Return 64 hex digits that change with any bar, split, listing or statement that a run can see."""
    digest = hashlib.sha256(f"{bars.request.source} {bars.request.interval} ".encode())
    for panel in (bars.panel, bars.benchmark):
        if panel is not None:
            _add(digest, panel)
    return digest.hexdigest()


#: Files of the feature that no figure depends on.
_EDGE = frozenset({"check.py", "choices.py", "examples.py", "jobs.py", "results.py", "routes.py", "tasks.py"})


@cache
def code_version() -> str:
    """Return Kaboom's version, and 12 hex digits that change with the source of the engine and its columns."""
    root = Path(__file__).parents[2]
    folders = [root / name for name in ("backtest", "disclosures", "indicators")]
    files = sorted(file for folder in folders for file in folder.rglob("*.py") if file.name not in _EDGE)
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    try:
        release = version("kaboom-api")
    except PackageNotFoundError:
        release = "0"
    return f"{release}+{sources.hexdigest()[:12]}"


def _add(digest: "hashlib._Hash", panel: Panel) -> None:
    digest.update(" ".join(panel.symbols).encode())
    ex_sessions, issues = panel.ex_sessions, panel.issues
    digest.update(" ".join(panel.stated).encode())
    columns = [panel.opened_at, *panel.prices[:LAST], *ex_sessions, *issues, *panel.stated.values()]
    for column in columns:
        # Lengths too, so that no two panels have the same bytes by chance.
        digest.update(str(column.shape).encode())
        digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
