"""The guard and libcurl read the same host in each URL that the guard accepts."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaboom.drivers.http.destination import Destination
from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import UrlGuard
from tests.fixtures.servers.raw_libcurl import RawLibcurl, raw_libcurl

#: Any port, and http for these hosts: the form alone is judged here.
GUARD = UrlGuard(trusted=frozenset({"h.example", "127.0.0.1", "[::1]"}), ports=frozenset(range(65536)))

#: Each URL, and the `host:port` that libcurl reads in the text; None where it rejects it.
RAW = {
    "https://h.example/": "h.example:443",
    "http://h.example/": "h.example:80",
    "HTTPS://H.Example:8443/X": "H.Example:8443",
    "https://h.example": "h.example:443",
    "https://h.example?x=1": "h.example:443",
    "https://h.example?@evil.example/": "h.example:443",
    "https://h.example/@evil.example/": "h.example:443",
    "https://h.example/\\@evil.example/": "h.example:443",
    "https://h.example:0443/": "h.example:443",
    "https://a_b.example/": "a_b.example:443",
    "https://xn--eckwd4c7c.example/": "xn--eckwd4c7c.example:443",
    "https://93.184.216.34/": "93.184.216.34:443",
    "https://[2606:2800:220:1::1]/": "[2606:2800:220:1::1]:443",
    "https://[2606:2800:0220:0001:0:0:0:1]/": "[2606:2800:220:1::1]:443",
    # User and password.
    "http://a@b/": "b:80",
    "https://h.example@evil.example/": "evil.example:443",
    "https://h.example:443@evil.example/": "evil.example:443",
    "https://h.example;@evil.example/": "evil.example:443",
    "https://@h.example/": "h.example:443",
    # Backslashes, slashes, fragments.
    "https://h.example\\@evil.example/": "evil.example:443",
    "https:\\\\h.example/": None,
    "https:/h.example/": "h.example:443",
    "https:///h.example/": "h.example:443",
    "//h.example/": None,
    "h.example/": "h.example:80",
    "https://h.example#@evil.example/": "h.example:443",
    # White space, control characters, escapes.
    "https://h.example\t/": None,
    "ht\ttps://h.example/": None,
    "https://h.example\n/": None,
    " https://h.example/": None,
    "https://h.example /": None,
    "https://h.example\0/": None,
    "https://h.example%00.evil.example/": None,
    "https://%68.example/": "h.example:443",
    "https://h%2eexample/": "h.example:443",
    # Addresses in short, octal, decimal and hexadecimal form.
    "http://127.1/": "127.0.0.1:80",
    "https://2130706433/": "127.0.0.1:443",
    "https://0177.0.0.1/": "127.0.0.1:443",
    "https://0x7f.1/": "127.0.0.1:443",
    "https://127.0.0.1./": "127.0.0.1:443",
    # A dot at the end, empty labels, zones.
    "https://h.example./": "h.example.:443",
    "https://h..example/": "h..example:443",
    "https://[fe80::1%25eth0]/": "[fe80::1]:443",
    "https://[fe80::1%eth0]/": "[fe80::1]:443",
    "https://[::1%25lo]/": "[::1]:443",
    # Letters outside of ASCII: full width, an ideographic full stop, and four that [a-z] matches in any case.
    "https://\uff48.example/": "ï½\x88.example:443",
    "http://127\u30020.0.1/": "127ã\x80\x820.0.1:80",
    "https://\u212aaboom.example/": "â\x84ªaboom.example:443",
    "https://ho\u017ft.example/": "hoÅ¿t.example:443",
    "https://h\u0131.example/": "hÄ±.example:443",
    "https://\u0130.example/": "Ä°.example:443",
    # Ports and schemes.
    "https://h.example:/": "h.example:443",
    "https://h.example:99999/": None,
    "https://h.example:443:80/": None,
    "https://h.example:+443/": None,
    "ftp://h.example/": None,
    "https://[1.2.3.4]/": None,
}  # fmt: skip
#: What hosts, and what leads away from them, are made of.
PIECES = [
    *("https", "http", "HTTPS", ":", "/", "//", "\\", "@", "#", "?", ";", "&", "=", "[", "]", "%", ".", "..", "-", "_"),
    *("h", "H", "example", "h.example", "evil.example", "127.0.0.1", "127.1", "0x7f", "0177", "1", "[::1]", "::"),
    "ffff",
    *("%00", "%2e", "%40", "%25lo", "443", ":443", ":0", "\t", "\n", " ", "\0", "\x7f", "\uff0e"),
    *("\u3002", "\uff48", "\u212a"),
]  # fmt: skip


@pytest.fixture(scope="module")
def libcurl() -> Iterator[RawLibcurl]:
    with raw_libcurl() as reader:
        yield reader


def read(url: str) -> Destination | None:
    """Return what the guard reads, None for a URL that it refuses."""
    try:
        return GUARD.check(url).destination
    except InvalidRequest:
        return None


def place_of(destination: Destination) -> str:
    return re.sub("^https?://", "", destination.origin)


@pytest.mark.parametrize("url", RAW)
def test_an_accepted_url_has_the_host_that_libcurl_reads(url: str, libcurl: RawLibcurl) -> None:
    assert libcurl.read(url) == RAW[url]
    if destination := read(url):
        assert place_of(destination) == str(RAW[url]).lower()
        assert libcurl.read(destination.origin) == place_of(destination)


def test_the_guard_accepts_the_plain_forms_and_no_other() -> None:
    refused = [n for n, url in enumerate(RAW) if read(url) is None]
    first_odd = list(RAW).index("http://a@b/")
    # Of those before it only the one with a backslash in its path is refused.
    assert refused == [7, *range(first_odd, len(RAW))]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(PIECES), max_size=7).map("".join),
    st.sampled_from(["", "https://", "http://h.example", "https://h.example"]),
)
def test_no_combination_is_accepted_and_read_differently(libcurl: RawLibcurl, rest: str, start: str) -> None:
    if destination := read(url := start + rest):
        assert (libcurl.read(url) or "").lower() == place_of(destination)
        assert libcurl.read(f"{destination.origin}/") == place_of(destination)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.from_regex(r"\A[hH]ttps?://[a-zA-Z0-9._\-\[\]:@%\\]{1,20}(:[0-9]{0,6})?[/?]?[!-~]{0,9}\Z", fullmatch=True))
def test_no_near_miss_is_accepted_and_read_differently(libcurl: RawLibcurl, url: str) -> None:
    if destination := read(url):
        assert (libcurl.read(url) or "").lower() == place_of(destination)
