"""The files of a mirror and the bars that a compaction drops, in a few lines."""

from collections.abc import Mapping
from typing import Any

from kaboom.cli.session import Session


def print_mirror(session: Session, result: Mapping[str, Any]) -> None:
    """Print the files that a mirror writes."""
    for files in result["files"]:
        where = f"{result['folder']}/{files['source']}/{files['interval']}"
        session.show(f"{where}: {', '.join(files['months'])}")


def print_drops(session: Session, result: Mapping[str, Any]) -> None:
    """Print the bars that a compaction drops, or why it drops none."""
    if message := result.get("message"):
        session.show(session.words.detail(message))
    for old in result["drops"]:
        fields = {name: old[name] for name in ("source", "interval", "before", "bars", "bytes")}
        session.show(session.words.say("drop", **fields))
