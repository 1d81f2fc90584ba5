"""The gaps that a backfill found, in a small table."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker

_MOST_NAMED = 8


def print_gaps(session: Session, gaps: Mapping[str, Any]) -> None:
    """Print the gaps of each interval: how many, of which kind, in which sessions."""
    words = session.words
    for interval, found in gaps.items():
        if not found["cells"]:
            session.show(words.say("{interval}: nothing is missing", interval=interval))
            continue
        states = ", ".join(f"{words.coded('cell', state)} {count:,}" for state, count in found["states"].items())
        counts = {"cells": found["cells"], "symbols": words.count("{n:,} symbol", "{n:,} symbols", found["symbols"])}
        session.show(
            words.say(
                "{interval}: {cells:,} symbol sessions of {symbols} ({states})",
                interval=interval,
                states=states,
                **counts,
            )
        )
        session.show(_table(words, found["sessions"]))


def name_some(words: Speaker, names: list[str], count: int) -> str:
    """Return some names as text, and how many more there are."""
    named = " ".join(names[:_MOST_NAMED])
    return (
        words.say("{named} … {count:,} more", named=named, count=count - _MOST_NAMED) if count > _MOST_NAMED else named
    )


def _table(words: Speaker, sessions: list[dict[str, Any]]) -> Table:
    table = new_table(words, "session", "gaps", "symbols", right={"gaps"})
    for row in sessions:
        add_row(table, row["session"], f"{row['symbols']:,}", name_some(words, row["first_symbols"], row["symbols"]))
    return table
