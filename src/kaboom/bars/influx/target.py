"""An InfluxDB server: its address, its API and its credentials."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from kaboom.errors import ConfigurationError


class InfluxApi(StrEnum):
    """The API version that is used to write."""

    V1 = "v1"
    V2 = "v2"
    V3 = "v3"


class Precision(StrEnum):
    """The unit of the times of lines."""

    SECOND = "s"
    MICROSECOND = "us"


_V1_UNITS = {Precision.SECOND: "s", Precision.MICROSECOND: "u"}
_V3_UNITS = {Precision.SECOND: "second", Precision.MICROSECOND: "microsecond"}


@dataclass(frozen=True, slots=True)
class InfluxTarget:
    """A server: its base URL, without a slash at the end, and its credentials."""

    url: str
    token: str = field(default="", repr=False)
    org: str = ""
    api: InfluxApi = InfluxApi.V2

    def headers(self) -> dict[str, str]:
        """Return the authorization header; v1 takes `user:password` as the token, or none."""
        if not self.token:
            return {}
        if self.api is InfluxApi.V1:
            return {"Authorization": f"Basic {b64encode(self.token.encode()).decode()}"}
        return {"Authorization": f"Token {self.token}"}

    def write_endpoint(self, bucket: str, precision: Precision) -> tuple[str, Mapping[str, str]]:
        """Return the path and parameters for writing lines to a bucket."""
        if self.api is InfluxApi.V1:
            return "/write", {**_database(bucket), "precision": _V1_UNITS[precision]}
        if self.api is InfluxApi.V3:
            return "/api/v3/write_lp", {"db": bucket, "precision": _V3_UNITS[precision], "accept_partial": "true"}
        org = {"org": self.org} if self.org else {}
        return "/api/v2/write", {**org, "bucket": bucket, "precision": precision.value}

    def query_endpoint(self, bucket: str, text: str) -> tuple[str, Mapping[str, str]]:
        """Return the path and parameters of an InfluxQL query, whose result has times in microseconds.

        It is a GET, which all versions document and which cannot write. It is chunked, since the `max-row-limit` of a
        1.x server may cut other results off without a sign.
        """
        # v3 has no retention policies, so a slash in a name has no meaning.
        database = {"db": bucket} if self.api is InfluxApi.V3 else _database(bucket)
        return "/query", {**database, "epoch": "u", "chunked": "true", "q": text}

    def redact(self, text: str) -> str:
        """Return a text without the token, in case the server repeated it."""
        return text.replace(self.token, "…") if self.token else text


def _database(bucket: str) -> dict[str, str]:
    """Return the 1.x names of a bucket, which is `db`, or `db/rp` with a retention policy."""
    database, _, policy = bucket.partition("/")
    return {"db": database, "rp": policy} if policy else {"db": database}


def build_target(host: str | None, token: str | None, *, org: str | None, api: str) -> InfluxTarget:
    """Return the InfluxDB server of the settings.

    Raises:
        ConfigurationError: the host is missing or not an address, or the token is missing; the message holds no secret.

    """
    if not host:
        raise ConfigurationError(
            "KABOOM_BAR_STORE was influxdb and INFLUXDB_HOST is not set: name the server's address"
        )
    if api != InfluxApi.V1 and not token:
        raise ConfigurationError(f"INFLUXDB_TOKEN is not set: InfluxDB's {api} API takes no request without one")
    if token and not (token.isascii() and token.isprintable()):
        raise ConfigurationError(
            "INFLUXDB_TOKEN had characters that cannot stand in a header, expected printable ASCII"
        )
    if api == InfluxApi.V1 and token and ":" not in token:
        raise ConfigurationError("INFLUXDB_TOKEN had no colon, expected user:password with KABOOM_INFLUXDB_API=v1")
    return InfluxTarget(_parse_host(host), token or "", org or "", InfluxApi(api))


def _parse_host(text: str) -> str:
    """Return the base URL of an address; without a scheme it is https, as in InfluxDB's own clients."""
    url = (text if "://" in text else f"https://{text}").rstrip("/")
    try:
        parts = urlsplit(url)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc) and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname:
        # The value may hold a password.
        raise ConfigurationError(
            "INFLUXDB_HOST was not an address, expected one such as http://127.0.0.1:8086, without a user"
        )
    return url
