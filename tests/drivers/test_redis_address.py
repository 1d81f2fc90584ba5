"""An address of Redis is taken apart once for all clients; what cannot be one is refused, and no secret told."""

import pytest

from kaboom.drivers.redis.address import parse_address
from kaboom.errors import ConfigurationError

SENTINELS = "sentinel://:hu%20sh@10.0.0.1:26379/2;sentinel://10.0.0.2/2;sentinel://[::1]:26380/2?master_name=kaboom"


def test_a_server() -> None:
    address = parse_address("redis://user:p%40ss@cache.example:6380/3", "REDIS_URL")
    assert address.nodes == (("cache.example", 6380),)
    assert (address.username, address.password, address.database) == ("user", "p@ss", 3)
    assert not address.is_watched
    assert address.urls({}) == ["redis://user:p%40ss@cache.example:6380/3"]


@pytest.mark.parametrize(
    ("text", "database"),
    [("redis://h", 0), ("redis://h/", 0), ("redis://h/4", 4), ("redis://h/4?db=5", 5), ("rediss://h:6378/0", 0)],
)
def test_the_database_is_the_one_that_redis_py_takes(text: str, database: int) -> None:
    assert parse_address(text, "REDIS_URL").database == database


def test_tls_keeps_its_options() -> None:
    address = parse_address("rediss://:hush@10.0.0.1:6378/0?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false", "X")
    assert address.options == {"ssl_ca_certs": "/etc/ca.pem", "ssl_check_hostname": "false"}
    assert address.urls({"ssl_ca_certs": "/etc/ca.pem"}) == [
        "rediss://:hush@10.0.0.1:6378/0?ssl_ca_certs=%2Fetc%2Fca.pem"
    ]


def test_sentinels() -> None:
    address = parse_address(f"{SENTINELS}&sentinel_password=shh", "REDIS_URL")
    assert address.is_watched
    assert address.nodes == (("10.0.0.1", 26379), ("10.0.0.2", 26379), ("::1", 26380))
    assert (address.master_name, address.database, address.password) == ("kaboom", 2, "hu sh")
    assert address.sentinel_password == "shh"
    # Each with the password: kombu and Celery take that of whichever they read.
    assert address.urls({})[2] == "sentinel://:hu%20sh@[::1]:26380/2"
    assert "shh" not in repr(address)
    assert "hu sh" not in repr(address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis+cluster://:secret@h:7000/0", r"was redis\+cluster://…, which is a Redis Cluster: Celery's broker"),
        ("rediss+cluster://:secret@h:7000/0", r"was rediss\+cluster://…, which is a Redis Cluster"),
        ("redis-cluster://:secret@h:7000", "which is a Redis Cluster"),
        ("amqp://guest:secret@h//", "was amqp://…, expected redis://, rediss:// or sentinel://"),
        ("127.0.0.1:6379", "was not a URL"),
        ("secret", "was not a URL"),
        ("redis://[secret", "was not a URL"),
        ("redis://:sec/ret@h:6379/0", "had an invalid port"),
        ("redis://:12/secret@h:6379/0", "had an invalid database"),
        ("redis://h:99999/0", "had an invalid port"),
        ("redis://h/secret", "had an invalid database"),
        ("redis://:secret@h/0;redis://h2/0", "held 2 addresses, expected one, or several of sentinel://"),
        ("sentinel://:secret@h/0;redis://h2/0?master_name=m", "held 2 addresses"),
        ("sentinel://:secret@h/0", r"expected \?master_name=NAME"),
        ("sentinel://h/0?master_name=m&ssl_ca_certs=/secret", "with ssl_ca_certs, expected only master_name"),
        ("redis://h/0?master_name=m", "expected sentinel://"),
        ("redis://h/0?sentinel_password=secret", "expected sentinel://"),
        ("redis://h/0?ssl_ca_certs=/secret", "with ssl_ options, expected rediss://"),
    ],
)
def test_invalid_addresses_are_rejected(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"REDIS_URL {expected}|REDIS_URL .*{expected}") as raised:
        parse_address(text, "REDIS_URL")
    for part in ("secret", "sec/ret", "ret@h"):
        assert part not in raised.value.message
