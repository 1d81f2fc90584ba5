"""Channel URLs have one form, in which Kaboom's parser and apprise's read the same, and no option gets past either."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from apprise.utils.parse import parse_url
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import UrlGuard
from kaboom.notify.apprise_sender import check_plugin, load_plugin, send_by_apprise
from kaboom.notify.apprise_urls import _OPTIONS, FIXED, HOSTED, MAIL, POINTER, AppriseUrl, check_apprise_url
from tests.fixtures.servers.receivers import Receiver, receiving

GUARD = UrlGuard(trusted=frozenset({"h.example", "127.0.0.1", "[::1]"}), ports=frozenset(range(65536)))
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
DISCORD = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"

#: Each URL, and its canonical form.
ACCEPTED = {
    f"{SLACK}/#general": f"{SLACK}/%23general",
    f"{SLACK}/?footer=no": f"{SLACK}/?footer=no",
    f"{DISCORD}?footer=yes&tts=no": f"{DISCORD}?footer=yes&tts=no",
    "line://abc/def=/U123": "line://abc/def%3D/U123",
    "workflows://x.logic.azure.com:443/wid/sig-_": "workflows://x.logic.azure.com:443/wid/sig-_",
    "JSONS://Example.com/A%2Fb/": "jsons://example.com/A%2Fb/",
    "jsons://user:p%3Aw@example.com:8443/x": "jsons://user:p%3Aw@example.com:8443/x",
    "jsons://[2606:2800:220:1::1]/": "jsons://[2606:2800:220:1::1]/",
    "mailtos://u:p%40%25@example.com?to=ops@example.com&name=K B": (
        "mailtos://u:p%40%25@example.com?to=ops%40example.com&name=K%20B"
    ),
    "mailtos://u:p@example.com?smtp=mail.example.com": "mailtos://u:p@example.com?smtp=mail.example.com",
}

#: Options that channels may not have.
OPTIONS = ("redirect=yes", "verify=no", "template=/etc/passwd", "+X-Header=1", "-x=1", ":x=1", "avatar_url=http://a/")
#: Ways to write an option so that one of the parsers may miss it.
WAYS = [
    "?{}", "?footer=yes&{}", "?footer=yes;{}", "?;{}", "#?{}", "#x?{}", "?#{}", "?footer=yes#&{}", "/x;y?{}", ";?{}",
    "?footer=yes%26{}", "??{}", "?footer=yes?{}", "/?{}", "/#?{}", "\\?{}", "?\t{}", "? {}", "?%20{}", "&{}",
]  # fmt: skip
PIECES = [
    *("slack", "discord", "line", "json", "jsons", "workflows", "mailto", "mailtos", "://", ":", "/", "//", "\\", "@"),
    *("#", "/#", "?", ";", "&", "=", "[", "]", "%", "+", "-", ".", "..", ",", " ", "\t", "\n", "\0", "\u3002", "\xe9"),
    *("%2F", "%23", "%3F", "%3B", "%26", "%3D", "%25", "%2565", "%40", "%3A", "%0a", "%ff", "%00", "%E3%81%82"),
    *("h.example", "evil.example", "127.0.0.1", "127.1", "[::1]", ":443", ":587", ":0", "A1BRTD4JD", "4174216298"),
    *("redirect", "verify", "template", "footer", "to", "smtp", "from", "pass", "mode", "yes", "no", "file:///x"),
    *("redirect=yes", "verify=no", "template=/x", "smtp=evil.example", "to=a@b.example", "+X=1", "-x=1", ":x=1", "x"),
]  # fmt: skip
STARTS = ["", SLACK, DISCORD, "jsons://h.example", "json://h.example/", "mailtos://u:p@h.example?to=a@b.example",
          "mailtos://u:p@h.example", "workflows://h.example/wid/sig", "line://token/U123", "slack://"]  # fmt: skip


def refuses(url: str) -> bool:
    try:
        check_apprise_url(url, GUARD)
    except InvalidRequest as e:
        return e.pointer == POINTER
    return False


def assert_read_alike(found: AppriseUrl) -> None:
    """Hold apprise's parser against ours: the place, the options, and what the loaded plugin would do."""
    again = check_apprise_url(found.text, GUARD)
    assert (again.text, again.service, again.host) == (found.text, found.service, found.host)
    read = parse_url(found.text, verify_host=False)  # type: ignore[no-untyped-call]  # apprise has no types
    assert read is not None
    assert read["schema"] == found.service
    assert read["qsd"].keys() <= _OPTIONS.get(found.service, frozenset())
    assert not any(read[kind] for kind in ("qsd+", "qsd-", "qsd:"))
    if found.service in HOSTED:
        assert read["host"].strip("[]") == found.host
    if (plugin := load_plugin(found.text)) is None:
        return
    check_plugin(plugin)
    assert (plugin.redirects, plugin.verify_certificate) == (False, True)
    assert not any(getattr(plugin, name, None) for name in ("template", "headers"))
    if found.service in HOSTED - MAIL:
        assert plugin.host.strip("[]") == found.host
    if found.service in MAIL and "smtp=" in found.text:
        assert f"smtp={plugin.smtp_host}" in found.text


@pytest.mark.parametrize("url", ACCEPTED)
def test_an_accepted_url_is_rebuilt_from_its_parts(url: str) -> None:
    found = check_apprise_url(url, UrlGuard())
    assert found.text == ACCEPTED[url]
    assert load_plugin(found.text) is not None
    assert_read_alike(check_apprise_url(url, UrlGuard(ports=GUARD.ports)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("start", [SLACK, DISCORD, "jsons://h.example/x", "mailtos://u:p@h.example"])
def test_no_way_to_write_it_passes_an_option_on(start: str, way: str) -> None:
    for option in OPTIONS:
        url = start + way.format(option)
        with suppress(InvalidRequest):
            # Some ways write a part of the path or a value instead, to both parsers.
            assert_read_alike(check_apprise_url(url, GUARD))


@pytest.mark.parametrize(
    "url",
    [
        f"{SLACK}/?footer=yes;redirect=yes", f"{SLACK}/?footer=yes;verify=no", f"{DISCORD}#?redirect=yes",
        "jsons://h.example/x#?verify=no", "jsons://h.example/x;y", f"{SLACK}#?template=/etc/passwd",
        f"{DISCORD}?footer=yes;template=/etc/passwd", "slack:////evil.example/x", "slack:///x", "jsons:///x",
        "mailtos://u:p@?smtp=mail.example.com", "mailtos://h.example?smtp=%2565vil.example", "jsons://a@b@h.example/",
        "jsons://h.example%2F/", "mailtos://h.example?smtp=h.example/",
        "jsons://h.example/%zz", "jsons://h.example/%0d%0aX", "jsons://h.example:/",
        f"{DISCORD}?footer=yes&footer=no", f"{DISCORD}?footer", f"{DISCORD}?%66ooter=yes", "slack://T:1/A/B", "plain",
    ],
)  # fmt: skip
def test_urls_that_parsers_could_read_differently_are_refused(url: str) -> None:
    assert refuses(url)


def test_a_password_of_any_letters_arrives() -> None:
    for password in ("%", "%25", "%41", "a;b#c?d@e:f/g", "\u3042"):
        encoded = "".join(f"%{byte:02X}" for byte in password.encode())
        plugin = load_plugin(check_apprise_url(f"jsons://u:{encoded}@h.example/", GUARD).text)
        assert plugin.password == password


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(STARTS), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_combination_is_accepted_and_read_differently(start: str, rest: str) -> None:
    with suppress(InvalidRequest):
        assert_read_alike(check_apprise_url(start + rest, GUARD))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(FIXED | HOSTED)),
    st.from_regex(r"\A[!-~]{0,10}@?(h\.example|T1JJ3T3L2)(:[0-9]{0,5})?/?[!-~]{0,12}\??[!-~]{0,20}\Z", fullmatch=True),
)
def test_no_near_miss_is_accepted_and_read_differently(service: str, rest: str) -> None:
    with suppress(InvalidRequest):
        assert_read_alike(check_apprise_url(f"{service}://{rest}", GUARD))


@pytest.mark.parametrize("option", OPTIONS[:6])
def test_a_plugin_with_such_an_option_is_refused(option: str) -> None:
    # Whatever the parsers make of a URL: here apprise reads an option that ours never passes on.
    service = "workflows://h.example/wid/sig" if option[0] in "t:" else "jsons://h.example/"
    url = f"{service}?{option}"
    plugin = load_plugin(url.replace("/etc/passwd", __file__))
    with pytest.raises(InvalidRequest, match="options in the url that channels may not have"):
        check_plugin(plugin)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.mark.anyio
async def test_a_stored_url_of_an_earlier_release_is_checked_again(receiver: Receiver) -> None:
    place = receiver.url.removeprefix("http://").partition("?")[0]
    for suffix in ("#?redirect=yes", "?x;redirect=yes"):
        reply = await send_by_apprise(GUARD, f"json://{place}{suffix}", "title", "body", message_id="m")
        assert reply.status is None
        assert "url was not plain" in (reply.failure or "")
    assert receiver.seen == []
    assert (await send_by_apprise(GUARD, f"json://{place}", "title", "body", message_id="m")).status == 200
