"""Passwords that an attacker tries first are refused, whatever decorates them; passphrases are not."""

import pytest
from fastapi import FastAPI

from kaboom.accounts.passwords import LEAST_CHARACTERS, _load_words, count_parts, is_weak
from tests.fixtures.accounts.callers import ME, PASSWORD, USERS, add_user, jwt_of, stranger_of
from tests.fixtures.jobs.apps import client_of

#: As a Japanese keyboard may write it.
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "password1234")
NAME = "hanako.yamada@example.com"


@pytest.mark.parametrize(
    "password",
    [
        *("password1234", "Password1234!", "P@ssw0rd1234", "passwordpassword", "パスワードパスワード12"),
        *("kaboomkaboom", "kaboom-admin-2026!", "Tokyo2026Kaboom!", "Kaboom123456"),
        *(NAME, "hanako.yamada2026", "Yamada-Hanako1", "HANAKO123456"),
        *("x" * 12, "x" * 256, "abababababab", "hunter2hunter2", "121212121212"),
        *(
            "123456789012",
            "abcdefghijkl",
            "zyxwvutsrqponm",
            "qwertyuiop[]",
            "1qaz2wsx3edc",
            "0987654321ab",
            "asdfghjkl123",
        ),
        *("iloveyou12345678", "Summer2026!!", "administrator1", WIDE),
    ],
)
def test_a_password_that_is_easily_guessed_is_weak(password: str) -> None:
    assert is_weak(password, [NAME])


@pytest.mark.parametrize(
    "password",
    [
        *(PASSWORD, "another battery of staples", "correcthorsebatterystaple", "dragon monkey sunshine shadow"),
        *("Xk7q9!vLw2Zp", "847362910573", "いろはにほへとちりぬるを", "a-password-of-the-tests"),
    ],
)
def test_a_passphrase_and_a_random_password_are_not_weak(password: str) -> None:
    assert not is_weak(password, [NAME])


def test_every_long_common_password_is_weak() -> None:
    found = [word for word in _load_words() if len(word) >= LEAST_CHARACTERS]
    assert len(found) > 200
    assert [word for word in found if count_parts(word) != 1] == []


def test_a_name_counts_for_its_user_only() -> None:
    assert count_parts("minori.takeda", ["minori.takeda"]) == 1
    assert not is_weak("minori.takeda", ["somebody"])
    # A name of one or two letters would be found in any password.
    assert count_parts("Xk7q9!vLw2Zp", ["k"]) == 12


@pytest.mark.anyio
async def test_no_door_takes_a_weak_password(app: FastAPI) -> None:
    # No part of the name is a common word.
    user, weak = await add_user(app, name="minori.takeda@example.com"), "Takeda-Minori-2026"
    async with client_of(app) as http, stranger_of(app, authorization=f"Bearer {await jwt_of(app, user)}") as own:
        answers = [
            await http.post(USERS, json={"name": "minori.takeda", "password": weak}),
            await http.patch(f"{USERS}/{user.user_id}", json={"password": weak}),
            await own.post(f"{ME}/password", json={"old": PASSWORD, "new": weak}),
        ]
        assert [(answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in answers] == [
            (422, "#/password"), (422, "#/password"), (422, "#/new"),
        ]  # fmt: skip
        assert all("easy to guess" in answer.text for answer in answers)
        assert (await http.post(USERS, json={"name": "somebody", "password": weak})).status_code == 201
        shown = await own.post(
            f"{ME}/password", json={"old": PASSWORD, "new": "password1234"}, headers={"accept-language": "ja"}
        )
        assert "推測されやすいパスワードです" in shown.text
