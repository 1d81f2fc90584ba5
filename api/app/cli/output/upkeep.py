"""The files of a mirror and the bars that a compaction drops, in a few lines."""

from collections.abc import Mapping
from typing import Any

from app.cli.session import Session
from app.jobs.queues import BAR_QUEUES


def unit_of(job: Mapping[str, Any]) -> str:
    """Return the unit of a job's items, such as `files`; `symbols` if this release does not know the kind of job."""
    from app.catalog import CATALOG  # noqa: PLC0415  the requests of all jobs, which lists do without

    try:
        return CATALOG.get(job["task"]).unit
    except KeyError:
        return "symbols"


def is_planned(job: Mapping[str, Any]) -> bool:
    """Return whether a job of this kind begins with a plan, and then has items."""
    from app.catalog import CATALOG  # noqa: PLC0415  the same

    try:
        return bool(CATALOG.get(job["task"]).plan)
    except KeyError:
        return True


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


def writes_bars(job: Mapping[str, Any]) -> bool:
    """Return whether a job writes bars, as far as its queue and its progress say; a sweep has none."""
    return job["queue"] in BAR_QUEUES or bool(job["progress"]["rows"])
