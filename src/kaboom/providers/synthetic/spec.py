"""The description of the synthetic provider."""

from datetime import timedelta

from pydantic import Field

from kaboom.market.interval import Interval
from kaboom.providers.base import Capabilities
from kaboom.providers.spec import TSE_MARKETS, ProviderSettings, ProviderSpec


class SyntheticSettings(ProviderSettings):
    """The settings of the synthetic provider."""

    synthetic_seed: int = Field(default=20250923, ge=0, validation_alias="KABOOM_SYNTHETIC_SEED")


SPEC = ProviderSpec(
    name="synthetic",
    build="kaboom.providers.synthetic.provider:build",
    capabilities=Capabilities(
        frozenset(Interval),
        TSE_MARKETS,
        # 50 symbols x 327 minutes are about 13,000 rows; a chunk of a session has a checkpoint in its middle.
        symbols_per_fetch=50,
        follows_lists=True,
        # The bar of the closing auction is over a minute after its stamp.
        delay=timedelta(minutes=1),
        is_live=True,
    ),
    summary="Made-up bars under the TSE's real rules: deterministic, offline, free.",
    is_real=False,
    has_disclosures=True,
    settings=SyntheticSettings,
)
