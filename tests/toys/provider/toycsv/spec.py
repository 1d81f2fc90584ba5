"""What toycsv has, how often it may be asked, and its setting."""

from pydantic import Field

from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities
from kaboom.providers.spec import TSE_MARKETS, ProviderSettings, ProviderSpec, Required


class ToyCsvSettings(ProviderSettings):
    """The settings of toycsv."""

    toycsv_url: str | None = Field(default=None, validation_alias="TOYCSV_URL")


SPEC = ProviderSpec(
    name="toycsv",
    build="kaboom.providers.toycsv.provider:build",
    capabilities=Capabilities(
        frozenset({Interval.D1}), TSE_MARKETS, symbols_per_fetch=10, requests_per_second=10, concurrency=2
    ),
    summary="Daily bars of a server that answers in CSV.",
    settings=ToyCsvSettings,
    required=(Required("toycsv_url", "name the address of the server"),),
)
