"""The description of the file provider."""

from pathlib import Path

from pydantic import Field

from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import Capabilities
from kaboom.providers.file.rules import DateOrder
from kaboom.providers.spec import ProviderSettings, ProviderSpec, Required


class FileSettings(ProviderSettings):
    """The settings of the file provider."""

    file_dir: Path | None = Field(default=None, validation_alias="KABOOM_FILE_DIR")
    file_time_zone: str | None = Field(default=None, validation_alias="KABOOM_FILE_TIME_ZONE")
    file_date_order: DateOrder | None = Field(default=None, validation_alias="KABOOM_FILE_DATE_ORDER")
    file_symbol_pattern: str | None = Field(default=None, validation_alias="KABOOM_FILE_SYMBOL_PATTERN")
    file_symbols: Path | None = Field(default=None, validation_alias="KABOOM_FILE_SYMBOLS")
    file_max_mb: int = Field(default=256, ge=1, le=1_000_000, validation_alias="KABOOM_FILE_MAX_MB")


SPEC = ProviderSpec(
    name="file",
    build="kaboom.providers.file.provider:build",
    capabilities=Capabilities(frozenset(Interval), frozenset(Market), symbols_per_fetch=100, knows_listings=True),
    summary="Bars from your own CSV, Excel or Parquet files.",
    settings=FileSettings,
    required=(Required("file_dir", "name the folder of your files"),),
    is_adjusted=None,
)
