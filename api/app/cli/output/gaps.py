"""What a backfill found, in a small table."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from app.cli.output.text import add_row
from app.cli.session import Session

_MOST_NAMED = 8


def print_gaps(session: Session, gaps: Mapping[str, Any]) -> None:
    """Print the gaps of each interval: how many, of which kind, in which sessions."""
    for interval, found in gaps.items():
        if not found["cells"]:
            session.show(f"{interval}: {session.words.say('nothing_missing')}")
            continue
        states = ", ".join(f"{state} {count:,}" for state, count in found["states"].items())
        words = {"interval": interval, "cells": found["cells"], "symbols": found["symbols"], "states": states}
        session.show(session.words.say("gaps_found", **words))
        session.show(_table(found["sessions"]))


def name_some(symbols: list[str], count: int) -> str:
    """Return some symbols as text, and how many more there are."""
    named = " ".join(symbols[:_MOST_NAMED])
    return named + (f" … {count - _MOST_NAMED:,} more" if count > _MOST_NAMED else "")


def _table(sessions: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("session")
    table.add_column("gaps", justify="right")
    table.add_column("symbols")
    for row in sessions:
        add_row(table, row["session"], f"{row['symbols']:,}", name_some(row["first_symbols"], row["symbols"]))
    return table
