"""Settings of the domain: where bars come from and where they go. Read once, in a composition root."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class BatchSettings(BaseSettings):
    """What providers and stores need, from the environment; `docs/reference/settings.md` explains each."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", populate_by_name=True)

    data_dir: Path = Field(default=Path(".kaboom"), validation_alias="KABOOM_DATA_DIR")
    provider: str = Field(default="synthetic", validation_alias="KABOOM_PROVIDER")
    bar_store: Literal["pages", "memory"] = Field(default="pages", validation_alias="KABOOM_BAR_STORE")
    synthetic_seed: int = Field(default=20250923, ge=0, validation_alias="KABOOM_SYNTHETIC_SEED")
    file_dir: Path | None = Field(default=None, validation_alias="KABOOM_FILE_DIR")
    file_time_zone: str = Field(default="Asia/Tokyo", validation_alias="KABOOM_FILE_TIME_ZONE")
    provider_delay_s: float = Field(default=3600.0, ge=0, validation_alias="KABOOM_PROVIDER_DELAY_S")
    fetch_attempts: int = Field(default=3, ge=1, le=20, validation_alias="KABOOM_FETCH_ATTEMPTS")

    @property
    def bars_dir(self) -> Path:
        """Where the embedded bar store keeps its pages."""
        return self.data_dir / "bars"

    @property
    def symbols_dir(self) -> Path:
        """Where imported symbol lists are kept."""
        return self.data_dir / "symbols"
