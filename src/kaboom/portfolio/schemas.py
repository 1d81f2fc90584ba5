"""The request bodies and queries of the portfolio routes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kaboom.errors import InvalidRequest
from kaboom.jobs.api.words import CONTROL, Label
from kaboom.market.bounds import LOT
from kaboom.market.fields import WHOLE, Day
from kaboom.market.symbol import parse_symbol
from kaboom.portfolio.entry import MOST_NOTE, MOST_SHARES
from kaboom.portfolio.money import AMOUNT_FORM
from kaboom.providers.registry import ProviderName

_Note = Annotated[str, Field(max_length=MOST_NOTE, pattern=rf"^[^{CONTROL}]*$")]
#: Text, since many languages read a JSON number as a float. The patterns are documented only: `parse_yen` and the
#: ledger refuse what is outside of them, with clearer messages.
_Yen = Annotated[
    str, Field(max_length=18, description="yen, as decimal text", json_schema_extra={"pattern": AMOUNT_FORM})
]
_MoreThanNothing = Annotated[_Yen, Field(json_schema_extra={"pattern": rf"^(?!0+(\.0+)?$){AMOUNT_FORM[1:]}"})]
_Force = Annotated[
    bool, Field(description="book trades on a day without trading, or at a price far from the stored bars, too")
]
_Day = Annotated[Day | None, Field(description="a day in Japan up to today; default: today")]


def _check_symbol(text: str) -> str:
    try:
        return parse_symbol(text)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer="/symbol") from e


_Symbol = Annotated[
    str,
    Field(description="a TSE local code", json_schema_extra={"minLength": 4, "maxLength": 5}),
    AfterValidator(_check_symbol),
]


_BODY = ConfigDict(extra="forbid", strict=True)


class NewPortfolio(BaseModel):
    """A portfolio to create."""

    model_config = _BODY

    name: Label = Field(examples=["日本株"])
    provider: ProviderName | None = Field(
        default=None, description="whose bars and corporate actions value it; default: KABOOM_PROVIDER"
    )
    lot: Annotated[int, Field(ge=1, le=1000, description="what buys are a multiple of, in shares"), WHOLE] = LOT


class PortfolioPatch(BaseModel):
    """A change of a portfolio."""

    model_config = _BODY

    name: Label = Field(examples=["Core holdings"])


class NewTrade(BaseModel):
    """A trade to book; its cash moves on the day of the trade."""

    model_config = _BODY

    day: _Day = Field(default=None, examples=["2025-11-04"])
    side: Literal["buy", "sell"] = Field(examples=["buy"])
    symbol: _Symbol = Field(examples=["7203"])
    quantity: Annotated[int, Field(ge=1, le=MOST_SHARES, description="shares"), WHOLE] = Field(examples=[200])
    price: _MoreThanNothing = Field(examples=["2841.5"])
    fee: _Yen = Field(default="0", examples=["275"])
    note: _Note = ""
    force: _Force = False


class NewMovement(BaseModel):
    """A cash movement to book."""

    model_config = _BODY

    day: _Day = Field(default=None, examples=["2025-11-04"])
    kind: Literal["deposit", "withdrawal", "dividend", "interest", "fraction", "fee", "tax"] = Field(
        description="`fraction` is what is paid for the fraction of a share that a reverse split left",
        examples=["deposit"],
    )
    amount: _MoreThanNothing = Field(examples=["1000000"])
    symbol: _Symbol | None = Field(default=None, description="of a dividend or a fraction")
    note: _Note = ""


class NewReversal(BaseModel):
    """An entry to reverse, on its own day."""

    model_config = _BODY

    entry_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] = Field(examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    note: _Note = Field(default="", examples=["typed twice"])


class ImportBody(BaseModel):
    """A CSV file of entries: `day,kind,symbol,quantity,price,fee,amount,note`, or the trade history of a broker."""

    model_config = _BODY

    csv: Annotated[str, Field(min_length=1, max_length=60_000)] = Field(
        examples=[
            "day,kind,symbol,quantity,price,fee,amount,note\n2025-11-04,deposit,,,,,1000000,\n2025-11-04,buy,7203,200,2841.5,275,,\n"
        ]
    )
    force: _Force = False
    deposits: bool = Field(default=False, description="also book a deposit of what a buy lacks, on its day")


class EntryListing(BaseModel):
    """The page of a list of entries by day, newest first."""

    model_config = ConfigDict(extra="forbid")

    symbol: str | None = Field(default=None, min_length=1, max_length=20, description="only entries of this symbol")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: int | None = Field(default=None, ge=1, le=2**31 - 1, description="next_cursor of the page before")


class HistoryQuery(BaseModel):
    """The sessions to show, both ends included."""

    model_config = ConfigDict(extra="forbid")

    first: Day | None = Field(default=None, description="default: a year before `last`; never before the first entry")
    last: Day | None = Field(
        default=None,
        description="default: the newest session that is over, or the newest close if the year before has none",
    )


class PerformanceQuery(BaseModel):
    """The days between whose closes performance is measured."""

    model_config = ConfigDict(extra="forbid")

    first: Day | None = Field(default=None, description="default: that of the first entry, ten years back at most")
    last: Day | None = Field(default=None, description="default: that of the newest close")


class PositionsQuery(BaseModel):
    """The positions to show."""

    model_config = ConfigDict(extra="forbid")

    closed: bool = Field(default=False, description="show those that were sold as well")
