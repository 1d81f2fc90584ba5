"""`kaboom token …`: values in on stdin, values out on stdout, words on stderr."""

import io

import orjson
import pytest

from kaboom.cli.exits import Exit
from kaboom.jobs.callbacks.url_guard import make_webhook_secret, parse_secrets
from kaboom.web.auth.tokens import parse_ingest_tokens
from tests.fixtures.cli import Kaboom

OLD, NEW = "an-old-token-of-the-tests", "a-new-token-of-the-tests"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the command reads."""
    text = io.StringIO()
    monkeypatch.setattr("sys.stdin", text)
    return text


def put(given: io.StringIO, text: str) -> None:
    given.seek(0)
    given.truncate()
    given.write(text)
    given.seek(0)


def test_a_new_token_is_alone_on_stdout_and_another_each_time(kaboom: Kaboom) -> None:
    done, again = kaboom("token", "new"), kaboom("token", "new")
    assert (done.code, done.err) == (Exit.OK, "")
    assert len(parse_ingest_tokens(done.out)) == 1
    assert done.out != again.out
    assert orjson.loads(kaboom("token", "new", "--json").out).keys() == {"value"}


def test_a_new_webhook_secret_is_one(kaboom: Kaboom) -> None:
    assert len(parse_secrets(kaboom("token", "new", "--webhook").out)) == 1


def test_a_value_goes_round(kaboom: Kaboom, given: io.StringIO) -> None:
    put(given, f"{OLD}\n")
    rotated = kaboom("token", "rotate")
    new, old = parse_ingest_tokens(rotated.out)
    assert (rotated.code, old) == (Exit.OK, OLD)
    assert "`kaboom token revoke`" in rotated.err
    put(given, rotated.out)
    revoked = kaboom("token", "revoke")
    assert (revoked.code, revoked.out) == (Exit.OK, f"{new}\n")
    assert "1 removed" in revoked.err
    assert not {new, OLD} & set((rotated.err + revoked.err).split())


def test_a_webhook_secret_is_followed_by_its_kind(kaboom: Kaboom, given: io.StringIO) -> None:
    secret = make_webhook_secret()
    put(given, secret)
    assert len(parse_secrets(kaboom("token", "rotate").out)) == 2


@pytest.mark.parametrize(
    ("command", "value", "code", "reason"),
    [
        ("rotate", "", Exit.USAGE, "no value on stdin"),
        ("revoke", "\n", Exit.USAGE, "no value on stdin"),
        ("rotate", f"{NEW} {OLD}", Exit.CONFLICT, "already holds 2 tokens"),
        ("revoke", NEW, Exit.CONFLICT, "holds only one token"),
        ("rotate", "hush", Exit.USAGE, "token 1 of 1 was not 16 or more"),
        ("rotate", "whsec_hush", Exit.USAGE, "secret 1 was not whsec_"),
        ("revoke", f"{NEW} hush", Exit.USAGE, "token 2 of 2 was not 16 or more"),
    ],
)
def test_what_makes_no_sense_prints_nothing(
    kaboom: Kaboom, given: io.StringIO, command: str, value: str, code: Exit, reason: str
) -> None:
    put(given, value)
    done = kaboom("token", command)
    assert (done.code, done.out) == (code, "")
    assert reason in done.err
    assert "hush" not in done.err


def test_a_terminal_is_not_waited_for(kaboom: Kaboom, given: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "isatty", lambda: True)
    put(given, OLD)
    assert kaboom("token", "rotate").code == Exit.USAGE
