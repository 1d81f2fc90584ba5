"""The files of a mirror and the bars that a compaction drops, in a few lines."""

from collections.abc import Mapping
from typing import Any

from app.cli.session import Session

#: Their items are files, one for each month of a series.
_BY_FILE = ("market_data.mirror", "market_data.compact")


def unit_of(job: Mapping[str, Any]) -> str:
    """Return the unit of a job's items: `symbols` or `files`."""
    return "files" if job["task"] in _BY_FILE else "symbols"


def print_upkeep(session: Session, result: Mapping[str, Any]) -> None:
    """Print the plan of a mirror or of a compaction; nothing for any other job."""
    if "message" in result:
        session.show(session.words.detail(str(result["message"])))
    for files in result.get("files", ()):
        where = f"{result['folder']}/{files['source']}/{files['interval']}"
        session.show(f"{where}: {', '.join(files['months'])}")
    for old in result.get("drops", ()):
        fields = {name: old[name] for name in ("source", "interval", "before", "bars", "bytes")}
        session.show(session.words.say("drop", **fields))
