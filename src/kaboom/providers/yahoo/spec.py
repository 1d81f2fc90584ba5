"""The description of the Yahoo provider."""

from datetime import timedelta

from pydantic import Field

from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities
from kaboom.providers.spec import INTRADAY, TSE_SECTIONS, ProviderSettings, ProviderSpec, Required, Terms


class YahooSettings(ProviderSettings):
    """The settings of Yahoo."""

    yahoo_enabled: bool = Field(default=False, validation_alias="YAHOO_ENABLED")
    yahoo_base_url: str = Field(default="https://query2.finance.yahoo.com", validation_alias="YAHOO_BASE_URL")


SPEC = ProviderSpec(
    name="yahoo",
    build="kaboom.providers.yahoo.provider:build",
    capabilities=Capabilities(
        frozenset(Interval),
        TSE_SECTIONS,
        symbols_per_fetch=10,
        reach_days=dict.fromkeys(INTRADAY, 29),
        requests_per_minute=60,
        concurrency=2,
        # Its quotes of Tokyo are 20 minutes late.
        delay=timedelta(minutes=20),
        is_live=True,
    ),
    summary="Yahoo's charts, without any promise; for personal use.",
    settings=YahooSettings,
    required=(Required("yahoo_enabled", "read Yahoo's terms, then set it"),),
    terms=Terms(
        url="https://legal.yahoo.com/us/en/yahoo/terms/otos/index.html",
        text="Yahoo's data is for personal use, and Yahoo may turn callers away. Terms: {url}",
    ),
)
