"""The bodies and answers of the routes of screens."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from kaboom.indicators.expression import MAX_LENGTH
from kaboom.market.fields import WHOLE, Day, MarketName, Moment
from kaboom.providers.registry import SourceName
from kaboom.screens.model import Passed, Question, Screen, compare
from kaboom.screens.request import Name
from kaboom.web.routers import view_of

if TYPE_CHECKING:
    from kaboom.screens.evaluate import Answer

_EXPRESSION = "rsi_14 < 30 and close > sma_75"
_Expression = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="a condition on columns of daily bars; docs/reference/screens.md lists them",
        examples=[_EXPRESSION],
    ),
]
_PROVIDER = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
_MARKET = Field(default=None, description="only symbols that are listed there; default: all of which bars are held")


class MatchQuery(BaseModel):
    """An expression to screen a market by."""

    model_config = ConfigDict(extra="forbid")

    expression: _Expression
    provider: SourceName | None = _PROVIDER
    market: MarketName | None = _MARKET
    session: Day | None = Field(default=None, description="the session; default: the newest of which bars are held")
    as_of: Moment | None = Field(
        default=None,
        description="bars, splits and lists as they were known at this time, with its zone, or at 00:00 in Japan of a"
        " day; default: as they are",
    )
    limit: Annotated[int, Field(ge=1, le=5000), WHOLE] = 200


class NewScreen(BaseModel):
    """A screen to save."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="unique for its owner", examples=["oversold"])
    expression: _Expression
    provider: SourceName | None = _PROVIDER
    market: MarketName | None = _MARKET


class MatchView(BaseModel):
    """A symbol that passes, with its values in the session."""

    symbol: str = Field(examples=["7203"])
    values: dict[str, float | None] = Field(
        examples=[{"close": 2841.5, "change_1d": -1.2, "turnover": 6.1e10, "rsi_14": 28.4, "sma_75": 2755.0}]
    )


class MatchList(BaseModel):
    """The symbols that pass an expression, by turnover, highest first."""

    expression: str = Field(examples=[_EXPRESSION])
    session: date = Field(examples=["2025-11-04"])
    awaited: date | None = Field(
        description="the newest closed session, if no bars of it are held yet", examples=[None]
    )
    provider: str = Field(description="whose daily bars", examples=["synthetic"])
    market: str | None = Field(examples=["TSE_PRIME"])
    columns: list[str] = Field(examples=[["close", "change_1d", "turnover", "rsi_14", "sma_75"]])
    seen: int = Field(description="symbols with a bar in the session", examples=[1651])
    unknown: int = Field(description="symbols whose history was too short to say", examples=[3])
    passed: int = Field(description="symbols that pass; `items` has at most `limit`", examples=[12])
    items: list[MatchView]


class PassedView(BaseModel):
    """What passed a saved screen in a session, and what changed since the session before."""

    session: date = Field(examples=["2025-11-04"])
    symbols: list[str] = Field(description="by turnover, highest first", examples=[["7203"]])
    seen: int = Field(examples=[1651])
    unknown: int = Field(examples=[3])
    entered: list[str] | None = Field(description="null for the first session", examples=[["7203"]])
    left: list[str] | None = Field(examples=[[]])
    computed_at: datetime = Field(examples=["2025-11-04T07:40:00Z"])


class ScreenView(BaseModel):
    """A saved screen."""

    name: str = Field(examples=["oversold"])
    expression: str = Field(examples=[_EXPRESSION])
    provider: str = Field(examples=["synthetic"])
    market: str | None = Field(examples=["TSE_PRIME"])
    created_at: datetime = Field(examples=["2025-11-04T07:35:00Z"])
    updated_at: datetime = Field(examples=["2025-11-04T07:35:00Z"])


class ListedScreen(ScreenView):
    """A saved screen with its newest result."""

    last: PassedView | None


class ScreenList(BaseModel):
    """Saved screens, by name."""

    items: list[ListedScreen]


class PassedList(BaseModel):
    """The results of a screen by session, newest first."""

    items: list[PassedView]


def view_screen(screen: Screen) -> ScreenView:
    """Return a screen as the API shows it."""
    return view_of(ScreenView, screen)


def view_passed(results: Sequence[Passed], *, limit: int) -> list[PassedView]:
    """Return the newest results, each with the change since the one after it, which comes beyond `limit`, too."""
    pairs = pairwise([*results, None])
    found = [(passed, compare(passed, before)) for passed, before in pairs if passed is not None]
    return [
        view_of(
            PassedView,
            passed,
            symbols=list(passed.symbols),
            entered=change and list(change.entered),
            left=change and list(change.left),
        )
        for passed, change in found[:limit]
    ]


def view_listed(screen: Screen, results: Sequence[Passed]) -> ListedScreen:
    """Return a screen with its newest result, of the newest two."""
    return view_of(ListedScreen, screen, last=next(iter(view_passed(results, limit=1)), None))


def view_matches(question: Question, answer: "Answer", *, limit: int) -> MatchList:
    """Return an answer as the API shows it."""
    rows = answer.rows.head(limit)
    columns = [name for name in rows.columns if name != "symbol"]
    return MatchList(
        expression=question.expression.text,
        session=answer.session,
        awaited=answer.awaited,
        provider=answer.source,
        market=question.market and question.market.value,
        columns=columns,
        seen=answer.seen,
        unknown=answer.unknown,
        passed=answer.rows.height,
        items=[MatchView(symbol=row.pop("symbol"), values=row) for row in rows.to_dicts()],
    )
