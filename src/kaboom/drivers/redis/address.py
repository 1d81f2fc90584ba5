"""The address of a Redis, from a URL: one server, with or without TLS, or the master of some sentinels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from kaboom.errors import ConfigurationError

_SCHEMES = "redis://, rediss:// or sentinel://"
_SENTINEL_PORT = 26379
NO_CLUSTER = "Celery's broker does not support it, and a script changes several keys: use a single server, or sentinels"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed address; its repr shows no secret.

    Attributes:
        scheme: `redis`, `rediss` or `sentinel`.
        nodes: host and port of the server, or of each sentinel.
        options: the query parameters, without those of sentinels.
        master_name: the sentinels' name of the master; "" for a server.
        sentinel_password: the password of the sentinels themselves, if they have one.

    """

    scheme: str
    nodes: tuple[tuple[str, int], ...]
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    master_name: str = ""
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def is_watched(self) -> bool:
        """Whether sentinels name the server."""
        return self.scheme == "sentinel"

    def urls(self, options: Mapping[str, str]) -> list[str]:
        """Return a URL of each node, with the credentials, the database and some options."""
        user = quote(self.username or "", safe="")
        credentials = f"{user}:{quote(self.password, safe='')}@" if self.password else ""
        query = f"?{urlencode(options)}" if options else ""
        return [f"{self.scheme}://{credentials}{_join(*node)}/{self.database}{query}" for node in self.nodes]


def is_redis(url: str) -> bool:
    """Return whether a URL is of a Redis of any kind, including URLs that `parse_address` rejects."""
    scheme = url.partition("://")[0]
    return scheme in {"redis", "rediss", "sentinel"} or "cluster" in scheme


def parse_address(text: str, setting: str) -> RedisAddress:
    """Return the address in a setting: `redis://`, `rediss://`, or sentinels as Celery writes them.

    Sentinels are `sentinel://[:password@]host:26379/0;sentinel://host2:26379/0?master_name=NAME`. This password is for
    the servers; `sentinel_password=` is for the sentinels.

    Raises:
        ConfigurationError: the text is not such an address; the message names the setting, and holds no secret.

    """
    parts = [_split(part, setting) for part in text.split(";")]
    schemes = {part.scheme for part in parts}
    if len(schemes) > 1 or (len(parts) > 1 and schemes != {"sentinel"}):
        raise ConfigurationError(f"{setting} held {len(parts)} addresses, expected one, or several of sentinel://")
    options = {key: value for part in parts for key, value in parse_qsl(part.query)}
    credentials = next((part for part in parts if part.password), parts[0])
    address = RedisAddress(
        scheme=parts[0].scheme,
        nodes=tuple((part.hostname or "127.0.0.1", _port(part, setting)) for part in parts),
        # Like redis-py, which prefers `db` to the path.
        database=_database(options.pop("db", parts[0].path.strip("/")), setting),
        username=unquote(credentials.username) if credentials.username else None,
        password=unquote(credentials.password) if credentials.password else None,
        master_name=options.pop("master_name", ""),
        sentinel_password=options.pop("sentinel_password", None),
        options=options,
    )
    _check_options(address, setting)
    return address


def _split(text: str, setting: str) -> SplitResult:
    try:
        part = urlsplit(text.strip())
    except ValueError:
        part = SplitResult("", "", "", "", "")
    if "://" not in text or not part.scheme:
        # The message shows no part of the value, since any part may be a password.
        raise ConfigurationError(f"{setting} was not a URL, expected {_SCHEMES}")
    if "cluster" in part.scheme:
        raise ConfigurationError(f"{setting} was {part.scheme}://…, which is a Redis Cluster: {NO_CLUSTER}")
    if part.scheme not in {"redis", "rediss", "sentinel"}:
        raise ConfigurationError(f"{setting} was {part.scheme}://…, expected {_SCHEMES}")
    return part


def _port(part: SplitResult, setting: str) -> int:
    try:
        return part.port or (_SENTINEL_PORT if part.scheme == "sentinel" else 6379)
    except ValueError:
        raise ConfigurationError(f"{setting} had an invalid port, expected a number from 1 to 65535") from None


def _database(name: str, setting: str) -> int:
    if name and not name.isdecimal():
        raise ConfigurationError(f"{setting} had an invalid database, expected a number such as /0")
    return int(name or 0)


def _check_options(address: RedisAddress, setting: str) -> None:
    if address.is_watched:
        if not address.master_name:
            raise ConfigurationError(f"{setting} was sentinel://…, expected ?master_name=NAME at its end")
        if address.options:
            raise ConfigurationError(
                f"{setting} was sentinel://… with {', '.join(address.options)}, expected only master_name and"
                " sentinel_password: TLS is for rediss://"
            )
    elif address.master_name or address.sentinel_password:
        raise ConfigurationError(f"{setting} was {address.scheme}://… with master_name, expected sentinel://")
    elif address.scheme == "redis" and any(name.startswith("ssl_") for name in address.options):
        raise ConfigurationError(f"{setting} was redis://… with ssl_ options, expected rediss://")


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
