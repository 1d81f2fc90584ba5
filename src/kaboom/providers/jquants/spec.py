"""The description of the J-Quants provider."""

from datetime import timedelta

from pydantic import Field, SecretStr

from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities
from kaboom.providers.spec import INTRADAY, TSE_MARKETS, ProviderSettings, ProviderSpec, Required, Terms


class JquantsSettings(ProviderSettings):
    """The settings of J-Quants."""

    jquants_api_key: SecretStr | None = Field(default=None, validation_alias="JQUANTS_API_KEY")
    jquants_base_url: str = Field(default="https://api.jquants.com/v2", validation_alias="JQUANTS_BASE_URL")
    jquants_bulk: bool = Field(default=False, validation_alias="JQUANTS_BULK")


SPEC = ProviderSpec(
    name="jquants",
    build="kaboom.providers.jquants.provider:build",
    capabilities=Capabilities(
        frozenset(Interval),
        TSE_MARKETS,
        bulk_by_session=frozenset({Interval.D1}),
        # Ten symbols are ten requests: at 60 a minute a slice is done every ten seconds.
        symbols_per_fetch=10,
        reach_days=dict.fromkeys(INTRADAY, 730),
        requests_per_minute=60,
        concurrency=4,
        knows_listings=True,
        # Published at about 16:30 in Japan, an hour after the close.
        delay=timedelta(hours=1),
    ),
    summary="J-Quants API v2 of the exchange's group, with your own key; for personal use.",
    settings=JquantsSettings,
    required=(Required("jquants_api_key", "get a key of your own, for personal use"),),
    terms=Terms(
        url="https://jpx-jquants.com/",
        text="J-Quants is for the personal use of the person who holds the key: no redistribution, no business use."
        " Terms: {url}",
    ),
    has_master=True,
    has_disclosures=True,
)
