"""The description of a provider before it is built: plain data, which the API and the command line load."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from kaboom.market.indices import find_index
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.symbol import parse_foreign_symbol, parse_symbol
from kaboom.providers.base import Capabilities

if TYPE_CHECKING:
    from kaboom.providers.limiter.rate_limiter import RateLimiter

TSE_SECTIONS = frozenset(market for market in Market if market.is_section)
TSE_MARKETS = TSE_SECTIONS | {Market.INDEX}
INTRADAY = frozenset(interval for interval in Interval if interval.is_intraday)
#: The fewest connections kept open to a provider's server, even if fewer requests are made at once.
_LEAST_CONNECTIONS = 8


class ProviderSettings(BaseModel):
    """The settings of one provider. Each field names its environment variable as `validation_alias`.

    `BatchSettings` has the fields of all providers, so field names must differ between providers.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Required:
    """A setting that a provider needs: the name of its field, and the advice to the user."""

    field: str
    hint: str


@dataclass(frozen=True, slots=True)
class Terms:
    """The allowed use of a provider's data, with the field `url`; the text at `url` is authoritative."""

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class ProviderParts[S: ProviderSettings]:
    """The arguments of the build function of a provider.

    Attributes:
        settings: its own settings.
        data_dir: the folder of data; a provider may keep files in a folder of its own there.
        symbols_dir: the folder of imported symbol lists.
        rate_limiter: to be entered around each request. `limit_calls` does it for a provider that makes one request
            for each call.
        concurrency: most requests at once, None for no limit.

    """

    settings: S
    data_dir: Path
    symbols_dir: Path
    rate_limiter: "RateLimiter"
    concurrency: int | None

    @property
    def connections(self) -> int:
        """How many connections to a server to keep open."""
        return max(_LEAST_CONNECTIONS, self.concurrency or 0)


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """The description of a provider before it is built.

    Attributes:
        name: its namespace, as in `BarProvider.name`.
        build: `"module:function"` that takes `ProviderParts` and returns the `BarProvider`.
        capabilities: what it can do.
        summary: one line for people.
        is_real: whether its bars are of a real market. Made-up bars are labelled wherever they are shown.
        settings: the class of its settings.
        required: the settings that it needs.
        terms: the allowed use of its data; None if there are no terms.
        has_master: whether it has a list of issues, and so is a `MasterProvider`.
        has_disclosures: whether it has statements and events, and so is a `DisclosureProvider`.
        is_adjusted: whether its prices before a split are divided by it; None if that depends on its source. Bars are
            stored as it gives them.

    """

    name: str
    build: str
    capabilities: Capabilities
    summary: str
    is_real: bool = True
    settings: type[ProviderSettings] = ProviderSettings
    required: tuple[Required, ...] = ()
    terms: Terms | None = None
    has_master: bool = False
    has_disclosures: bool = False
    is_adjusted: bool | None = False

    @property
    def is_tse(self) -> bool:
        """Whether all its bars are of the TSE, with its calendar and its symbols."""
        return all(market.is_tse for market in self.capabilities.markets)

    @property
    def has_limits(self) -> bool:
        """Whether it limits how often it may be asked."""
        can = self.capabilities
        return any(each is not None for each in (can.requests_per_minute, can.requests_per_second, can.concurrency))

    def parse_symbol(self, text: str) -> str:
        """Return the provider's symbol for a text: a TSE local code or an index, or a free name outside the TSE.

        Raises:
            InvalidRequest: the text cannot be a symbol of the provider.

        """
        if not self.is_tse:
            return parse_foreign_symbol(text)
        index = find_index(text) if Market.INDEX in self.capabilities.markets else None
        return index or parse_symbol(text)

    def find_lacking(self, settings: object) -> str | None:
        """Return the setting that is missing for the provider, as a sentence; None if nothing is missing."""
        for required in self.required:
            value = getattr(settings, required.field)
            if value is None or value is False:
                variable = self.settings.model_fields[required.field].validation_alias
                state = "set" if value is None else "true"
                return f"provider was {self.name} and {variable} is not {state}: {required.hint}"
        return None
