"""Settings of the domain: where bars come from and where they go. Read once, in a composition root."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

from pydantic import BeforeValidator, Field, SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from kaboom.providers.registry import get_provider_spec, provider_specs
from kaboom.providers.spec import ProviderSettings

#: The id of this process and its forks. Machines may share the data folder, but on a mounted bucket they cannot append
#: to the same file.
_PROCESS = uuid4().hex

#: Such as `jquants=120 yahoo=off`.
_BY_PROVIDER = r"^( *[a-z][a-z0-9_]*=([1-9][0-9]{0,5}|off) *( |$))*$"

#: Such as `1m=90 5m=400`.
_BY_INTERVAL = r"^( *(1m|5m|15m|1h|1d)=[1-9][0-9]{0,4} *( |$))*$"

#: A server of models: https, or http on this machine.
_MODEL_SERVER = r"^(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)(/[^\s?#]*)?$"
#: Up to seven models with spaces between, each with up to three fallbacks behind commas.
_MODEL = r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,99}"
_MODELS = rf"^ *{_MODEL}(,{_MODEL}){{0,3}}( +{_MODEL}(,{_MODEL}){{0,3}}){{0,6}} *$"


class CommonSettings(BaseSettings):
    """The settings that do not belong to one provider."""

    # Stripped: a secret that was made with `echo` ends with a newline, which no address or token has.
    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", populate_by_name=True, str_strip_whitespace=True
    )

    data_dir: Path = Field(default=Path(".kaboom"), validation_alias="KABOOM_DATA_DIR")
    provider: str = Field(default="synthetic", validation_alias="KABOOM_PROVIDER")
    bar_store: Annotated[
        Literal["auto", "pages", "postgres", "influxdb", "memory"],
        BeforeValidator(lambda name: "influxdb" if name == "influx" else name),  # its name until 2026-12
    ] = Field(default="auto", validation_alias="KABOOM_BAR_STORE")
    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    influxdb_host: str | None = Field(default=None, validation_alias="INFLUXDB_HOST")
    influxdb_token: SecretStr | None = Field(default=None, validation_alias="INFLUXDB_TOKEN")
    influxdb_org: str | None = Field(default=None, validation_alias="INFLUXDB_ORG")
    influxdb_bucket_raw_1m_hot: str = Field(default="raw_1m_hot", validation_alias="INFLUXDB_BUCKET_RAW_1M_HOT")
    influxdb_bucket_agg_5m: str = Field(default="agg_5m", validation_alias="INFLUXDB_BUCKET_AGG_5M")
    influxdb_bucket_agg_1d: str = Field(default="agg_1d", validation_alias="INFLUXDB_BUCKET_AGG_1D")
    influxdb_api: Literal["v1", "v2", "v3"] = Field(default="v2", validation_alias="KABOOM_INFLUXDB_API")
    provider_delay_s: float = Field(default=3600.0, ge=0, validation_alias="KABOOM_PROVIDER_DELAY_S")
    fetch_attempts: int = Field(default=3, ge=1, le=20, validation_alias="KABOOM_FETCH_ATTEMPTS")
    provider_patience_s: float = Field(default=3600.0, ge=0, validation_alias="KABOOM_PROVIDER_PATIENCE_S")
    provider_requests_per_minute: str | None = Field(
        default=None, pattern=_BY_PROVIDER, validation_alias="KABOOM_PROVIDER_REQUESTS_PER_MINUTE"
    )
    provider_concurrency: str | None = Field(
        default=None, pattern=_BY_PROVIDER, validation_alias="KABOOM_PROVIDER_CONCURRENCY"
    )
    retention: str | None = Field(default=None, pattern=_BY_INTERVAL, validation_alias="KABOOM_RETENTION")
    history_days: int | None = Field(default=None, ge=1, le=36_500, validation_alias="KABOOM_HISTORY_DAYS")
    mirror_folder: str | None = Field(default=None, validation_alias="KABOOM_MIRROR_DIR")
    strategies_dir: Path | None = Field(default=None, validation_alias="KABOOM_STRATEGIES_DIR")
    strategy_timeout_s: float = Field(default=300.0, ge=1, le=3600, validation_alias="KABOOM_STRATEGY_TIMEOUT_S")
    strategy_memory_mb: int = Field(default=4096, ge=512, le=1_048_576, validation_alias="KABOOM_STRATEGY_MEMORY_MB")
    openrouter_key: SecretStr | None = Field(default=None, validation_alias="OPENROUTER_API_KEY")
    openrouter_url: str = Field(
        default="https://openrouter.ai/api/v1", pattern=_MODEL_SERVER, validation_alias="OPENROUTER_BASE_URL"
    )
    ai_models: str | None = Field(default=None, pattern=_MODELS, max_length=500, validation_alias="KABOOM_AI_MODELS")
    ai_send: bool = Field(default=True, validation_alias="KABOOM_AI_SEND")
    ai_send_positions: bool = Field(default=False, validation_alias="KABOOM_AI_SEND_POSITIONS")
    ai_images: bool = Field(default=False, validation_alias="KABOOM_AI_IMAGES")
    ai_job_budget: int = Field(default=500_000, ge=0, le=10**9, validation_alias="KABOOM_AI_JOB_BUDGET")
    ai_day_budget: int = Field(default=5_000_000, ge=0, le=10**10, validation_alias="KABOOM_AI_DAY_BUDGET")
    ai_prompt_price: int = Field(default=3, ge=1, le=1000, validation_alias="KABOOM_AI_PROMPT_PRICE")
    ai_completion_price: int = Field(default=15, ge=1, le=1000, validation_alias="KABOOM_AI_COMPLETION_PRICE")
    ai_deadline_s: float = Field(default=60.0, ge=1, le=300, validation_alias="KABOOM_AI_DEADLINE_S")
    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")
    disable_redis: bool = Field(default=False, validation_alias="DISABLE_REDIS")

    @property
    def used_bar_store(self) -> Literal["pages", "postgres", "influxdb", "memory"]:
        """The store of bars: the chosen one, or without a choice the server that is set, InfluxDB first."""
        if self.bar_store != "auto":
            return self.bar_store
        if self.influxdb_host is not None:
            return "influxdb"
        return "pages" if self.database_url is None else "postgres"

    @property
    def keeps_bars_in_influxdb(self) -> bool:
        """Whether bars go to an InfluxDB server."""
        return self.used_bar_store == "influxdb"

    @property
    def keeps_bars_in_folder(self) -> bool:
        """Whether bars are in page files of the data folder."""
        return self.used_bar_store == "pages"

    @property
    def keeps_bars_in_postgres(self) -> bool:
        """Whether bars are in the database of DATABASE_URL."""
        return self.used_bar_store == "postgres"

    def find_left_bars(self) -> Path | None:
        """Return the folder of page files that nothing reads, since the default is another store; None without any.

        A store that was chosen by name is no default: the files may be old copies.
        """
        if self.bar_store != "auto" or self.keeps_bars_in_folder:
            return None
        return self.bars_dir if any(self.bars_dir.glob("*/*/*.sqlite")) else None

    def lacking_for(self, provider: str) -> str | None:
        """Return the setting that is missing for a provider, as a sentence; None if nothing is missing.

        Raises:
            InvalidRequest: no provider has this name.

        """
        return get_provider_spec(provider).find_lacking(self)

    def of_provider(self, provider: str) -> ProviderSettings:
        """Return only the settings of a provider.

        Raises:
            InvalidRequest: no provider has this name.

        """
        own = get_provider_spec(provider).settings
        return own.model_validate({name: getattr(self, name) for name in own.model_fields})

    @property
    def lacking_for_models(self) -> str | None:
        """The setting that is missing for asking models, as a sentence; None if nothing is missing."""
        if not self.ai_send:
            return "KABOOM_AI_SEND is false: nothing is sent to models"
        if self.openrouter_key is None:
            return "OPENROUTER_API_KEY is not set"
        return None if self.ai_models else "KABOOM_AI_MODELS is not set"

    @property
    def influxdb_secret(self) -> str | None:
        """The token in plain text."""
        return self.influxdb_token.get_secret_value() if self.influxdb_token else None

    @property
    def shared_redis_url(self) -> str | None:
        """The URL of the Redis that all processes share, with its password; None if there is no such Redis."""
        return self.redis_url.get_secret_value() if self.redis_url and not self.disable_redis else None

    @property
    def refused_lines_path(self) -> Path:
        """Where this process keeps lines that InfluxDB refused."""
        return self.data_dir / "influxdb-refused" / f"{_PROCESS}.jsonl"

    @property
    def bars_dir(self) -> Path:
        """Where the embedded bar store keeps its pages."""
        return self.data_dir / "bars"

    @property
    def mirror_place(self) -> str:
        """Where the mirror of all bars is written: a folder, or the URL of one in a bucket."""
        return self.mirror_folder or str(self.data_dir / "mirror")

    @property
    def keep_days(self) -> dict[str, int]:
        """How many days of bars a compaction keeps, by interval; bars of intervals not listed are kept forever."""
        pairs = (text.partition("=") for text in (self.retention or "").split())
        return {interval: int(days) for interval, _, days in pairs}

    @property
    def symbols_dir(self) -> Path:
        """Where imported symbol lists are kept."""
        return self.data_dir / "symbols"

    @property
    def indicators_dir(self) -> Path:
        """Where jobs keep the indicators that they compute."""
        return self.data_dir / "indicators"


def _fields_of_providers() -> dict[str, Any]:
    """Return the fields that the providers declare, each as type and default."""
    return {
        name: (field.annotation, field)
        for spec in provider_specs()
        for name, field in spec.settings.model_fields.items()
    }


if TYPE_CHECKING:
    BatchSettings = CommonSettings
else:
    #: The settings of the domain, from the environment: the common settings and those of each provider.
    BatchSettings = create_model(
        "BatchSettings", __base__=CommonSettings, __module__=__name__, **_fields_of_providers()
    )
