"""The content of a picture: panels one below the other, in both languages; importable without matplotlib and numpy."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A text in English and in Japanese.
type Text = tuple[str, str]
type UpDown = Literal["jp", "intl", "mono"]
type Language = Literal["en", "ja"]
type Values = tuple[float | None, ...]

#: The most values of a line, and bars of a panel: a picture is 1,200 pixels wide.
MOST_VALUES = 5000
MOST_BARS = 500
_MOST_PANELS, _MOST_LINES, _MOST_ROWS = 12, 8, 60


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Series(_Part):
    """A line: a value for each place of its panel, None for a gap; `style` is its rank, the first one stands out."""

    name: Text
    values: Annotated[Values, Field(max_length=MOST_VALUES)]
    style: Annotated[int, Field(ge=0, lt=_MOST_LINES)] = 0


class Curves(_Part):
    """Lines over time; the first is filled up to 0 if `is_area`, and all begin at 0 if `is_bar`."""

    kind: Literal["curves"] = "curves"
    title: Text = ("", "")
    times: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_VALUES)]
    lines: Annotated[tuple[Series, ...], Field(max_length=_MOST_LINES)]
    is_area: bool = False
    height: Annotated[float, Field(gt=0, le=5)] = 1.6

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_lengths(self.lines, len(self.times))
        return self


class Mark(_Part):
    """A purchase (1) or a sale (-1) at the place of a bar."""

    place: Annotated[int, Field(ge=0, lt=MOST_BARS)]
    side: Literal[1, -1]


class Candlesticks(_Part):
    """Bars of one symbol, oldest first, with lines over them; without `volumes` there is no volume."""

    kind: Literal["candles"] = "candles"
    title: Text = ("", "")
    times: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_BARS)]
    bars: Annotated[tuple[tuple[float, float, float, float], ...], Field(max_length=MOST_BARS)]
    volumes: Annotated[tuple[float, ...], Field(max_length=MOST_BARS)] = ()
    lines: Annotated[tuple[Series, ...], Field(max_length=_MOST_LINES)] = ()
    marks: Annotated[tuple[Mark, ...], Field(max_length=2 * MOST_BARS)] = ()
    height: Annotated[float, Field(gt=0, le=6)] = 4.2

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_lengths(self.lines, len(self.times))
        if len(self.bars) != len(self.times) or len(self.volumes) not in {0, len(self.times)}:
            raise ValueError("bars and volumes: expected one for each time")
        if any(mark.place >= len(self.times) for mark in self.marks):
            raise ValueError("marks: expected places of bars")
        return self


class Heat(_Part):
    """A table of shares, tinted by their size; None is an empty cell."""

    kind: Literal["heat"] = "heat"
    title: Text = ("", "")
    columns: Annotated[tuple[Text, ...], Field(max_length=30)]
    rows: Annotated[tuple[tuple[str, Values], ...], Field(max_length=_MOST_ROWS)]


class Table(_Part):
    """Rows of words and numbers as text; the first column is words."""

    kind: Literal["table"] = "table"
    title: Text = ("", "")
    head: Annotated[tuple[Text, ...], Field(max_length=10)]
    rows: Annotated[tuple[tuple[Text, ...], ...], Field(max_length=_MOST_ROWS)]


class Notes(_Part):
    """Sentences, one below the other."""

    kind: Literal["notes"] = "notes"
    title: Text = ("", "")
    lines: Annotated[tuple[Text, ...], Field(max_length=40)]


type Panel = Annotated[Curves | Candlesticks | Heat | Table | Notes, Field(discriminator="kind")]


class Picture(_Part):
    """A picture: a title, a subtitle, and panels."""

    title: Text
    sub: Text = ("", "")
    panels: Annotated[tuple[Panel, ...], Field(min_length=1, max_length=_MOST_PANELS)]
    updown: UpDown = "jp"


def _check_lengths(lines: tuple[Series, ...], size: int) -> None:
    if any(len(line.values) != size for line in lines):
        raise ValueError("lines: expected a value for each time")
