"""Keys that API processes share are sealed with the tokens, survive a rotation, and are replaced if no token opens."""

import asyncio
import time
from pathlib import Path

import jwt
import psycopg
import pytest

from kaboom.accounts.shared_keys import SharedKeys
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import StoreError
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.web.auth.jwt.own import _key_id
from kaboom.web.auth.scopes import Role
from tests.fixtures.accounts.callers import ME, add_user, jwt_of, stranger_of
from tests.fixtures.jobs.apps import jobs_of, memory_settings, running

pytestmark = pytest.mark.anyio
OLD, NEW, THIRD = "an-old-token-of-the-tests", "a-new-token-of-the-tests", "a-third-token-of-the-tests"


async def load(history: MemoryJobHistory | PostgresJobHistory, *tokens: str, name: str = "jwt") -> bytes:
    """Return the key as a process that starts with these tokens sees it."""
    keys = SharedKeys(tokens)
    keys.open(history)
    return await keys.load(name)


async def test_processes_with_one_token_share_a_random_key() -> None:
    history = MemoryJobHistory()
    first, second = await asyncio.gather(load(history, OLD), load(history, OLD))
    assert first == second
    assert len(first) == 32
    assert await load(history, OLD, name="cursors") != first
    assert await load(MemoryJobHistory(), OLD) != first


async def test_the_database_alone_does_not_hold_the_key() -> None:
    history = MemoryJobHistory()
    key = await load(history, OLD)
    kept = b" ".join(history._api_keys.values())
    assert len(kept) > 32
    assert key not in kept
    assert key.hex().encode() not in kept


async def test_a_key_in_clear_of_an_earlier_release_is_not_used() -> None:
    history = MemoryJobHistory()
    await history.replace_api_key("jwt", None, b"k" * 32)
    assert await load(history, OLD) != b"k" * 32
    # That release, still running, would take what is sealed there for its key.
    assert await history.load_api_key("jwt") == b"k" * 32


async def test_a_rotation_in_two_steps_keeps_the_key() -> None:
    history = MemoryJobHistory()
    before = await load(history, OLD)
    assert await load(history, NEW, OLD) == before
    # A process of the generation before may start meanwhile, and must not take the new token's copy away.
    assert await load(history, OLD) == before
    assert await load(history, NEW) == before
    assert await load(history, THIRD, NEW) == before
    assert await load(history, THIRD) == before


async def test_a_token_that_is_added_behind_another_one_opens_the_key_too() -> None:
    history = MemoryJobHistory()
    before = await load(history, OLD)
    assert await load(history, OLD, NEW) == before
    assert await load(history, NEW) == before


async def test_a_revoked_token_opens_nothing_once_a_process_has_started() -> None:
    history = MemoryJobHistory()
    before = await load(history, OLD)
    await load(history, NEW, OLD)
    await load(history, NEW)
    (kept,) = history._api_keys.values()
    assert SharedKeys([OLD])._unseal(kept) == (None, False)
    assert SharedKeys([NEW])._unseal(kept) == (before, True)


async def test_another_token_gets_another_key_and_no_error() -> None:
    history = MemoryJobHistory()
    before = await load(history, OLD)
    after = await load(history, NEW)
    assert after != before
    assert await load(history, NEW) == after


@pytest.mark.parametrize("kept", [b"", b"x", b"s" * 16, b"s" * 16 + b"gAAAAA \xff\xfe", b"s" * 500])
async def test_a_damaged_key_is_replaced(kept: bytes) -> None:
    history = MemoryJobHistory()
    await load(history, OLD)
    (name,) = history._api_keys
    history._api_keys[name] = kept
    assert await load(history, OLD) == await load(history, OLD)


async def test_without_a_ledger_it_is_an_error() -> None:
    with pytest.raises(StoreError):
        await SharedKeys([OLD]).load("jwt")


async def test_processes_on_one_database_share_the_key(database_url: str) -> None:
    engines = [connect_postgres(database_url, application_name="test") for _ in range(3)]
    ledgers = [PostgresJobHistory(engine) for engine in engines]
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM api_keys")
    keys = await asyncio.gather(*(load(ledger, NEW, OLD) for ledger in ledgers))
    for engine in engines:
        await engine.dispose()
    assert len(set(keys)) == 1
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT key FROM api_keys").fetchall()
    assert keys[0] not in rows[0][0]


async def test_a_copy_of_the_database_signs_no_login(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path, jwt_secret_key=None)) as app:
        admin = await add_user(app, Role.ADMIN)
        real = await jwt_of(app, admin)
        history = jobs_of(app).parts.history
        assert isinstance(history, MemoryJobHistory)
        now = int(time.time())
        payload = {"iss": "kaboom", "aud": "kaboom", "sub": admin.user_id, "iat": now, "exp": now + 600}
        forged = [
            jwt.encode(payload, key, algorithm="HS256", headers={"kid": kid})
            for kept in history._api_keys.values()
            for key in (kept, kept[:32], kept[16:], kept[-32:], kept[16:].split()[0])
            for kid in (jwt.get_unverified_header(real)["kid"], _key_id(key))
        ]
        codes = []
        for token in (real, *forged):
            async with stranger_of(app, authorization=f"Bearer {token}") as http:
                codes.append((await http.get(ME)).status_code)
    assert codes == [200, *[401] * len(forged)]
    assert len(forged) >= 10
