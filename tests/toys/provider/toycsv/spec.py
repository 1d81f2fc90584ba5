"""What the toy provider says of itself."""

from pydantic import Field

from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities
from kaboom.providers.spec import TSE_MARKETS, ProviderSettings, ProviderSpec, Required


class ToyCsvSettings(ProviderSettings):
    """The settings of the toy provider."""

    toy_csv_url: str | None = Field(default=None, validation_alias="TOY_CSV_URL")


SPEC = ProviderSpec(
    name="toycsv",
    build="kaboom.providers.toycsv.provider:build",
    capabilities=Capabilities(
        frozenset({Interval.D1}), TSE_MARKETS, symbols_per_fetch=10, requests_per_second=10, concurrency=2
    ),
    summary="Daily bars of a toy server, in CSV.",
    settings=ToyCsvSettings,
    required=(Required("toy_csv_url", "name the address of the server"),),
)
