"""`kaboom up` makes the first user; a file of its own, because the API of a file is shared and must have none yet."""

import httpx2
import pytest

from kaboom.cli.run import make_first_user
from kaboom.cli.session import Session
from tests.fixtures.cli import Kaboom
from tests.fixtures.servers.stacks import Api


def test_the_first_user_is_made_once_and_its_password_is_shown_once(
    live: Api, at_live: Kaboom, capsys: pytest.CaptureFixture[str]
) -> None:
    assert at_live("user", "list").err.startswith("no users")
    session = Session(live.url, live.data_dir, language="en")
    make_first_user(session)
    shown = capsys.readouterr().err
    password = shown.partition("the password ")[2].partition(";")[0]
    body = {"user": "admin", "password": password}
    assert httpx2.post(f"{live.url}/api/v1/login", json=body).status_code == 200
    assert password not in at_live("user", "list").out
    make_first_user(session)
    assert capsys.readouterr().err == ""
