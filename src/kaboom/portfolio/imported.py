"""The answer to an import of a file: what became of each line."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from kaboom.portfolio.csv_file import Parsed
from kaboom.portfolio.entry import Entry


class LeftOut(BaseModel):
    """A line of a file that was not booked."""

    line: int = Field(description="from 1", examples=[12])
    reason: str = Field(examples=["取引 was '投信金額買付', which is no cash trade of shares"])


class Imported(BaseModel):
    """What became of each line of a file: booked, booked before, or left out."""

    broker: str = Field(description='whose trade history it is; "" of the columns of Kaboom', examples=[""])
    entries: int = Field(description="booked now, with the deposits", examples=[2])
    first_place: int | None = Field(description="null if nothing was booked", examples=[1])
    last_place: int | None = Field(examples=[2])
    deposits: int = Field(description="among them, of what buys lacked", examples=[0])
    known: int = Field(description="trades of a history that were booked before", examples=[0])
    left_out: list[LeftOut] = Field(description="lines of a history that are no cash trades of shares", examples=[[]])


def view_import(parsed: Parsed, booked: Sequence[Entry]) -> Imported:
    """Return what became of a file, of which these entries were booked, now or when the key was first used."""
    count, trades = len(booked), sum(entry.kind.is_trade for entry in booked)
    added = count - (trades if parsed.broker else len(parsed.entries))
    return Imported(
        broker=parsed.broker,
        entries=count,
        first_place=booked[0].place if booked else None,
        last_place=booked[-1].place if booked else None,
        deposits=added,
        known=len(parsed.entries) - count + added,
        left_out=[LeftOut(line=each.line, reason=each.message) for each in parsed.left_out],
    )
