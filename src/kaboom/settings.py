"""Settings of the API, worker and CLI: from the environment, else Secret Manager, else the Kaboom that runs here."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from kaboom.domain_settings import BatchSettings
from kaboom.drivers.embedded.run_file import find_data_dir, read_run_file
from kaboom.drivers.redis.address import parse_address
from kaboom.errors import ConfigurationError

_RELEASE = r"^[A-Za-z0-9._-]{1,64}$"
#: Secrets that deployments do not keep: one broker is enough for most teams, and migrations also work through a pooler.
NOT_KEPT = frozenset({"KABOOM_QUEUE_BROKERS", "DATABASE_DIRECT_URL"})
#: Prefixes of settings that are not secret, but kept with the secrets.
_KEPT_WITH_SECRETS = ("INFLUXDB_", "SUPABASE_URL")
#: The value of a secret that must exist but is not used.
_UNUSED = "unused"
_LEAST_RETENTION = 30
#: A scheme, a host and a port at most: the pages of the dashboard begin at its root.
_ORIGIN = r"^https?://([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?/?$"
_RATE = r"^(off|[1-9][0-9]{0,6}/(second|minute|hour|day))$"


class AppSettings(BatchSettings):
    """What the API, the worker and the CLI need; `docs/reference/settings.md` explains each."""

    celery_broker_url: SecretStr | None = Field(default=None, validation_alias="CELERY_BROKER_URL")
    queue_brokers: SecretStr | None = Field(default=None, validation_alias="KABOOM_QUEUE_BROKERS")
    celery_result_backend: SecretStr | None = Field(default=None, validation_alias="CELERY_RESULT_BACKEND")
    database_direct_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_DIRECT_URL")
    database_pool: int = Field(default=8, ge=2, le=100, validation_alias="KABOOM_DATABASE_POOL")
    job_retention_days: int = Field(default=400, le=36_500, validation_alias="KABOOM_JOB_RETENTION_DAYS")
    ingest_api_token: SecretStr | None = Field(default=None, validation_alias="INGEST_API_TOKEN")
    jwt_secret_key: SecretStr | None = Field(default=None, validation_alias="JWT_SECRET_KEY")
    supabase_url: str | None = Field(default=None, validation_alias="SUPABASE_URL")
    supabase_anon_key: SecretStr | None = Field(default=None, validation_alias="SUPABASE_ANON_KEY")
    supabase_jwt_secret: SecretStr | None = Field(default=None, validation_alias="SUPABASE_JWT_SECRET")
    webhook_secret: SecretStr | None = Field(default=None, validation_alias="KABOOM_WEBHOOK_SECRET")
    webhook_hosts: str | None = Field(default=None, validation_alias="KABOOM_WEBHOOK_HOSTS")
    public_url: str | None = Field(default=None, pattern=_ORIGIN, validation_alias="KABOOM_PUBLIC_URL")
    notification_key: SecretStr | None = Field(default=None, validation_alias="KABOOM_NOTIFICATION_KEY")
    disable_celery: bool = Field(default=False, validation_alias="DISABLE_CELERY")
    rate_limit_write: str = Field(default="120/minute", pattern=_RATE, validation_alias="KABOOM_RATE_LIMIT_WRITE")
    rate_limit_read: str = Field(default="3000/minute", pattern=_RATE, validation_alias="KABOOM_RATE_LIMIT_READ")
    max_connections: int = Field(default=512, ge=8, le=50_000, validation_alias="KABOOM_MAX_CONNECTIONS")
    max_streams: int = Field(default=256, ge=1, le=10_000, validation_alias="KABOOM_MAX_STREAMS")
    rate_limit_anonymous: str = Field(
        default="60/minute", pattern=_RATE, validation_alias="KABOOM_RATE_LIMIT_ANONYMOUS"
    )
    proxy_hops: int = Field(default=0, ge=0, le=10, validation_alias="KABOOM_PROXY_HOPS")
    slots: int = Field(default=4, ge=1, le=256, validation_alias="KABOOM_SLOTS")
    side_port: int | None = Field(default=None, ge=1, le=65535, validation_alias="PORT")
    own_side_port: int | None = Field(default=None, ge=1, le=65535, validation_alias="KABOOM_SIDE_PORT")
    side_host: str = Field(default="127.0.0.1", validation_alias="KABOOM_SIDE_HOST")
    metrics_port: int | None = Field(default=None, ge=1, le=65535, validation_alias="KABOOM_METRICS_PORT")
    database_disk_gb: int | None = Field(default=None, ge=1, le=65536, validation_alias="KABOOM_DATABASE_DISK_GB")
    backups_dir: Path | None = Field(default=None, validation_alias="KABOOM_BACKUPS_DIR")
    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    release: str | None = Field(default=None, pattern=_RELEASE, validation_alias="KABOOM_RELEASE")
    log_format: str = Field(default="json", pattern="^(json|console)$", validation_alias="KABOOM_LOG_FORMAT")
    log_level: str = Field(default="INFO", validation_alias="KABOOM_LOG_LEVEL")
    trace_project: str | None = Field(default=None, validation_alias="KABOOM_TRACE_PROJECT")
    secret_project: str | None = Field(default=None, validation_alias="KABOOM_SECRET_PROJECT")
    secret_prefix: str | None = Field(default=None, validation_alias="KABOOM_SECRET_PREFIX")

    @field_validator(
        "jwt_secret_key", "supabase_url", "supabase_anon_key", "openrouter_key", "notification_key", mode="before"
    )
    @classmethod
    def _drop_unused(cls, value: object) -> object:
        # Cloud Run needs a version of each secret, so a deployment without logins or models stores this value.
        return None if value == _UNUSED else value

    @field_validator("job_retention_days")
    @classmethod
    def _check_retention(cls, days: int) -> int:
        # Alerts look back 14 days, and webhooks are kept for 30.
        if days != 0 and days < _LEAST_RETENTION:
            raise ValueError(f"was {days}, expected 0, which keeps jobs forever, or at least {_LEAST_RETENTION}")
        return days

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment, then Secret Manager if a project is set, then `run.json`."""
        del dotenv_settings, file_secret_settings
        run_file = _RunFileSource(settings_cls, env_settings)
        return (init_settings, env_settings, _SecretManagerSource(settings_cls), run_file)

    def require_redis_url(self) -> str:
        """Return the address of the job state.

        Raises:
            ConfigurationError: no address is set and no Kaboom runs on the data folder, or it is not one of Redis.

        """
        url = _require(self.redis_url, "REDIS_URL")
        parse_address(url, "REDIS_URL")
        return url

    def require_database_url(self) -> str:
        """Return the address of the ledger.

        Raises:
            ConfigurationError: no address is set, and no Kaboom runs on the data folder.

        """
        return _require(self.database_url, "DATABASE_URL")

    def require_migration_url(self) -> str:
        """Return the address for migrations: DATABASE_DIRECT_URL, else DATABASE_URL.

        Raises:
            ConfigurationError: as above.

        """
        return _require(self.database_direct_url or self.database_url, "DATABASE_URL")

    def require_broker_url(self) -> str:
        """Return the address of the broker: CELERY_BROKER_URL, else REDIS_URL.

        Raises:
            ConfigurationError: as above.

        """
        url = _require(self.celery_broker_url or self.redis_url, "CELERY_BROKER_URL or REDIS_URL")
        parse_address(url, self.broker_setting)
        return url

    @property
    def broker_setting(self) -> str:
        """The variable that names the broker."""
        return "CELERY_BROKER_URL" if self.celery_broker_url else "REDIS_URL"

    def find_result_url(self) -> str:
        """Return the address of Celery's results: CELERY_RESULT_BACKEND, else REDIS_URL, else `disabled://`."""
        url = self.celery_result_backend or self.redis_url
        return url.get_secret_value() if url else "disabled://"

    def find_queue_brokers(self) -> dict[str, str]:
        """Return the addresses of the queues that have a broker of their own, by queue: KABOOM_QUEUE_BROKERS.

        Raises:
            ConfigurationError: the value is not a list of `queue=address`, or an address is not one of Redis.

        """
        text = self.queue_brokers.get_secret_value() if self.queue_brokers else ""
        found = dict[str, str]()
        for number, pair in enumerate(text.split(), 1):
            queue, _, url = pair.partition("=")
            if not url or "://" in queue or queue in found:
                raise ConfigurationError(
                    f"part {number} of KABOOM_QUEUE_BROKERS was not queue=address, each queue once"
                )
            parse_address(url, f"KABOOM_QUEUE_BROKERS of {queue}")
            found[queue] = url
        return found


def load_settings(**overrides: Any) -> AppSettings:
    """Return the settings as the environment has them now.

    Raises:
        ConfigurationError: a variable has an invalid value; the message has its name, but never its value.

    """
    try:
        return AppSettings(**overrides)
    except ValidationError as e:
        found = ((".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in e.errors())
        faults = "; ".join(f"{name}: {why}" for name, why in found)
        raise ConfigurationError(faults) from None


def secret_variables() -> dict[str, str]:
    """Return the variables that a deployment keeps as secrets, with their fields; also INFLUXDB_* and SUPABASE_URL."""
    named = {str(field.validation_alias): (name, field) for name, field in AppSettings.model_fields.items()}
    return {
        variable: name
        for variable, (name, field) in named.items()
        if variable not in NOT_KEPT
        and ("SecretStr" in str(field.annotation) or variable.startswith(_KEPT_WITH_SECRETS))
    }


def secret_name(variable: str) -> str:
    """Return the name of a variable's secret, such as `webhook-secret` for `KABOOM_WEBHOOK_SECRET`."""
    return variable.removeprefix("KABOOM_").lower().replace("_", "-")


class _SecretManagerSource(PydanticBaseSettingsSource):
    """Reads settings that the environment does not have from Google's Secret Manager, if a project is set.

    The source of pydantic-settings is not used: to it, an error of Google means that a setting is not set, and it asks
    for every setting.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        known = self.current_state
        project = known.get("KABOOM_SECRET_PROJECT") or known.get("secret_project")
        if not project:
            return {}
        prefix = known.get("KABOOM_SECRET_PREFIX") or known.get("secret_prefix") or ""
        # An empty variable means that the setting has no value; its secret is not fetched.
        given = known.keys() | {name.upper() for name in os.environ}
        names = {
            f"{prefix}{secret_name(variable)}": variable
            for variable, field in secret_variables().items()
            if not {variable, field} & given
        }
        found = _fetch_secrets(project, tuple(names)) if names else {}
        return {names[name]: value for name, value in found.items()}


def _fetch_secrets(project: str, names: tuple[str, ...]) -> Mapping[str, str]:
    try:
        # Imported only here: Google's client takes a second and 40 MB.
        from kaboom.drivers.google_secrets import fetch_secrets  # noqa: PLC0415
    except ImportError as e:
        raise ConfigurationError(f"KABOOM_SECRET_PROJECT is set, and the extra [gcp] is not installed: {e}") from e
    return fetch_secrets(project, names)


class _RunFileSource(PydanticBaseSettingsSource):
    """Reads the `run.json` of a running Kaboom; it has the lowest priority, so that environment variables win."""

    def __init__(self, settings_cls: type[BaseSettings], env: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._env = env

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        named = self._env().get("KABOOM_DATA_DIR") or self.current_state.get("data_dir")
        data_dir = BatchSettings(KABOOM_DATA_DIR=named).data_dir if named else find_data_dir()
        if data_dir is None:
            return {}
        run = read_run_file(data_dir)
        values = {"REDIS_URL": run.get("redis_url"), "DATABASE_URL": run.get("database_url")}
        given = {name.lower() for name, value in self.current_state.items() if value}
        if run.get("bars_dir") and not given & {"database_url", "influxdb_host"}:
            # The database belongs to the folder, and so do the bars.
            values["KABOOM_BAR_STORE"] = "pages"
        return {"KABOOM_DATA_DIR": data_dir} | {k: v for k, v in values.items() if v}


def _require(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise ConfigurationError(f"{name} is not set and no Kaboom runs here: set it, or run `kaboom up` first")
    return secret.get_secret_value()
