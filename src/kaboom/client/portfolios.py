"""Portfolios of a running Kaboom: what was booked, what is held, and what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack
from urllib.parse import quote

from kaboom.client.symbols import Symbol
from kaboom.client.wire import Wire
from kaboom.errors import NotFound

if TYPE_CHECKING:
    import polars as pl

PORTFOLIOS = "/api/v1/portfolios"


class TradeOptions(TypedDict, total=False):
    """What a trade may have: a fee in yen, its day, by default today in Japan, a note; `force` books a doubtful one."""

    fee: str
    day: date | str
    note: str
    force: bool


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A portfolio in yen. Amounts are text of decimals, as the API gives them.

    Attributes:
        record: what the API said of it.

    """

    wire: Wire = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.record["name"])

    def trade(
        self, side: Literal["buy", "sell"], symbol: Symbol, quantity: int, price: str, **more: Unpack[TradeOptions]
    ) -> Mapping[str, Any]:
        """Book a buy or a sell of so many shares at a price in yen, and return the entry.

        `more` may say `fee`, `day` (in Japan), `note`, and `force=True` to book a trade that the calendar or the bars
        speak against.

        Raises:
            InvalidRequest: it cannot be booked.
            Conflict: there are fewer shares, or less cash.

        """
        body = {"side": side, "symbol": str(symbol), "quantity": quantity, "price": price, **more}
        return self._book("trades", body)

    def move_cash(self, kind: str, amount: str, **more: Any) -> Mapping[str, Any]:
        """Book a movement of cash in yen, such as a deposit or a dividend, and return the entry.

        Raises:
            InvalidRequest: it cannot be booked.

        """
        return self._book("cash", {"kind": kind, "amount": amount, **more})

    def positions(self) -> Mapping[str, Any]:
        """Return what is held, by symbol."""
        return self._get("positions")

    def valuation(self) -> Mapping[str, Any]:
        """Return what it is worth by the newest bars."""
        return self._get("valuation")

    def equity(self) -> "pl.DataFrame":
        """Return its worth of each day."""
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        return pl.DataFrame(self._get("equity")["items"])

    def _get(self, part: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.wire.call("GET", f"{PORTFOLIOS}/{quote(self.id)}/{part}")
        return found

    def _book(self, part: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        booked: Mapping[str, Any] = self.wire.call("POST", f"{PORTFOLIOS}/{quote(self.id)}/{part}", json=dict(body))
        return booked


def find_portfolio(wire: Wire, wanted: str) -> Portfolio:
    """Return a portfolio by its name or id; a name comes before an id.

    Raises:
        NotFound: there is none.

    """
    found = wire.call("GET", PORTFOLIOS)["items"]
    by_key = {each["id"]: each for each in found} | {each["name"]: each for each in found}
    if wanted not in by_key:
        names = ", ".join(each["name"] for each in found) or "none"
        raise NotFound(f"portfolio was {wanted[:60]!r}, there are: {names}")
    return Portfolio(wire, by_key[wanted])
