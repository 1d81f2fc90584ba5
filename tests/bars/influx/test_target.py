"""Addresses and tokens of InfluxDB servers: what works, and what is refused without being shown."""

import pytest

from kaboom.bars.influx.target import InfluxApi, InfluxTarget, Precision, build_target
from kaboom.errors import ConfigurationError

SECRET = "s3cret-t0ken"


def target(host: str, token: str | None = SECRET, api: str = "v2") -> InfluxTarget:
    return build_target(host, token, org="kaboom", api=api)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("http://127.0.0.1:8086", "http://127.0.0.1:8086"),
        ("https://influx.example.com/", "https://influx.example.com"),
        ("ap-northeast-1.example.com", "https://ap-northeast-1.example.com"),
        ("http://gateway:80/influx", "http://gateway:80/influx"),
    ],
)
def test_an_address_is_understood(host: str, url: str) -> None:
    assert target(host).url == url


@pytest.mark.parametrize(
    "host", ["ftp://x", "http://", "http://me:s3cret-t0ken@x", "http://x?p=s3cret-t0ken", "http://x:port", "http://x:0"]
)
def test_another_address_is_refused_and_not_shown(host: str) -> None:
    with pytest.raises(ConfigurationError, match="INFLUXDB_HOST was not an address") as refusal:
        target(host)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("token", "api"), [(None, "v2"), ("", "v3"), (f"{SECRET}\nX: y", "v2"), (f"{SECRET}é", "v3"), (SECRET, "v1")]
)
def test_a_token_that_cannot_work_is_refused_and_not_shown(token: str | None, api: str) -> None:
    with pytest.raises(ConfigurationError, match="INFLUXDB_TOKEN") as refusal:
        target("http://x", token, api)
    assert SECRET not in str(refusal.value)


def test_no_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="INFLUXDB_HOST is not set"):
        build_target(None, SECRET, org=None, api="v2")


def test_a_token_is_in_the_header_and_in_no_repr() -> None:
    made = target("http://x")
    assert made.headers() == {"Authorization": f"Token {SECRET}"}
    assert SECRET not in repr(made)
    assert made.redact(f"unauthorized: Token {SECRET}") == "unauthorized: Token …"


def test_v1_takes_a_user_and_a_password_or_nobody() -> None:
    assert target("http://x", "me:pw", "v1").headers() == {"Authorization": "Basic bWU6cHc="}
    assert target("http://x", None, "v1").headers() == {}


@pytest.mark.parametrize(
    ("api", "bucket", "expected"),
    [
        ("v2", "hot", ("/api/v2/write", {"org": "kaboom", "bucket": "hot", "precision": "us"})),
        ("v3", "hot", ("/api/v3/write_lp", {"db": "hot", "precision": "microsecond", "accept_partial": "true"})),
        ("v1", "hot", ("/write", {"db": "hot", "precision": "u"})),
        ("v1", "hot/week", ("/write", {"db": "hot", "rp": "week", "precision": "u"})),
    ],
)
def test_lines_go_where_each_version_takes_them(api: str, bucket: str, expected: tuple[str, dict[str, str]]) -> None:
    made = target("http://x", "me:pw", api)
    assert made.write_endpoint(bucket, Precision.MICROSECOND) == expected


@pytest.mark.parametrize("api", list(InfluxApi))
def test_queries_go_to_one_place_in_all_versions(api: InfluxApi) -> None:
    path, params = target("http://x", "me:pw", api).query_endpoint("hot", "SHOW MEASUREMENTS")
    assert (path, params) == ("/query", {"db": "hot", "epoch": "u", "chunked": "true", "q": "SHOW MEASUREMENTS"})
