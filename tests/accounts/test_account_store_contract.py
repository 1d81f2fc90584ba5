"""The promises of the account store, kept by PostgreSQL and by its memory twin."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaboom.accounts import postgres
from kaboom.accounts import store as memory
from kaboom.accounts.model import AccountStore, UserChange
from kaboom.accounts.store import MemoryAccountStore
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import Conflict, NotFound, StoreError
from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.records import make_session, make_token, make_user

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 28, 3, tzinfo=UTC)


class TestUsers:
    async def test_a_user_is_found_by_id_and_by_name(self, accounts: AccountStore, owner: str) -> None:
        kept = await accounts.add_user(make_user(owner, role=Role.ADMIN))
        assert kept.created_at is not None
        assert await accounts.load_user(kept.user_id) == await accounts.find_user(kept.name) == kept
        assert (await accounts.load_user("usr_none"), await accounts.find_user("nobody")) == (None, None)

    async def test_a_name_is_unique_over_all_owners(self, accounts: AccountStore, owner: str) -> None:
        user = await accounts.add_user(make_user(owner))
        with pytest.raises(Conflict, match="exists already"):
            await accounts.add_user(make_user("another-team", name=user.name))

    async def test_users_are_listed_by_name_for_their_owner(self, accounts: AccountStore, owner: str) -> None:
        for name in ("é", "b", "Z", "a"):
            await accounts.add_user(make_user(owner, name=f"{name}.{owner}"))
        await accounts.add_user(make_user(f"{owner}-2"))
        assert [user.name for user in await accounts.list_users(owner)] == [f"{name}.{owner}" for name in "Zabé"]

    @pytest.mark.parametrize(
        "change",
        [
            UserChange(role=Role.VIEWER),
            UserChange(is_disabled=True),
            UserChange(password_hash="$argon2id$new"),
            UserChange(),
        ],
    )
    async def test_a_change_leaves_the_rest_as_it_is(
        self, accounts: AccountStore, owner: str, change: UserChange
    ) -> None:
        user = await accounts.add_user(make_user(owner))
        changed = await accounts.change_user(owner, user.user_id, change)
        values = {name: value for name in ("role", "is_disabled", "password_hash") if (value := getattr(change, name))}
        assert changed == replace(user, **values, changed_at=changed.changed_at)
        assert await accounts.load_user(user.user_id) == changed

    async def test_a_disabled_user_can_be_enabled(self, accounts: AccountStore, owner: str) -> None:
        user = await accounts.add_user(make_user(owner, is_disabled=True))
        assert not (await accounts.change_user(owner, user.user_id, UserChange(is_disabled=False))).is_disabled

    async def test_a_user_of_another_owner_is_not_found(self, accounts: AccountStore, owner: str) -> None:
        user = await accounts.add_user(make_user(owner))
        for other, user_id in (("another-team", user.user_id), (owner, "usr_none")):
            with pytest.raises(NotFound, match="does not exist"):
                await accounts.change_user(other, user_id, UserChange(role=Role.ADMIN))
        assert await accounts.load_user(user.user_id) == user

    @pytest.mark.parametrize("change", [UserChange(is_disabled=True), UserChange(role=Role.OPERATOR)])
    async def test_the_last_admin_of_an_owner_stays(
        self, accounts: AccountStore, owner: str, change: UserChange
    ) -> None:
        admin, operator = [await accounts.add_user(make_user(owner, role=role)) for role in (Role.ADMIN, Role.OPERATOR)]
        await accounts.add_user(make_user(owner, role=Role.ADMIN, is_disabled=True))
        await accounts.add_user(make_user(f"{owner}-2", role=Role.ADMIN))
        with pytest.raises(Conflict, match="last admin"):
            await accounts.change_user(owner, admin.user_id, change)
        assert await accounts.load_user(admin.user_id) == admin
        await accounts.change_user(owner, operator.user_id, UserChange(is_disabled=True))
        await accounts.change_user(owner, admin.user_id, UserChange(password_hash="$new", role=Role.ADMIN))

    async def test_of_admins_who_demote_one_another_at_once_one_stays(self, accounts: AccountStore, owner: str) -> None:
        admins = [await accounts.add_user(make_user(owner, role=Role.ADMIN)) for _ in range(8)]
        changes = [UserChange(is_disabled=True), UserChange(role=Role.VIEWER)] * 4
        tries = [
            accounts.change_user(owner, user.user_id, change) for user, change in zip(admins, changes, strict=True)
        ]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(result, Conflict) for result in results) == 1
        left = [user for user in await accounts.list_users(owner) if user.role is Role.ADMIN and not user.is_disabled]
        assert len(left) == 1

    async def test_an_owner_has_a_bounded_number_of_users(
        self, accounts: AccountStore, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (memory, postgres):
            monkeypatch.setattr(module, "MAX_USERS", 1)
        await accounts.add_user(make_user(owner))
        with pytest.raises(Conflict, match="1 users already"):
            await accounts.add_user(make_user(owner))
        await accounts.add_user(make_user(f"{owner}-2"))

    async def test_of_many_who_take_a_name_one_gets_it(self, accounts: AccountStore, owner: str) -> None:
        tries = [accounts.add_user(make_user(owner, name=f"same.{owner}")) for _ in range(8)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(result, Conflict) for result in results) == 7


class TestTokens:
    async def test_a_token_is_kept_with_its_scopes(self, accounts: AccountStore, owner: str) -> None:
        token = make_token(owner, scopes=frozenset({Scope.INGEST, Scope.JOBS_READ}), expires_at=NOW)
        kept = await accounts.add_token(token)
        assert kept == replace(token, created_at=kept.created_at) == await accounts.load_token(token.token_id)
        assert await accounts.load_token("0" * 16) is None

    async def test_tokens_are_listed_newest_first_for_their_owner(self, accounts: AccountStore, owner: str) -> None:
        made = [(await accounts.add_token(make_token(owner))).token_id for _ in range(3)]
        await accounts.add_token(make_token(f"{owner}-2"))
        assert [token.token_id for token in await accounts.list_tokens(owner)] == made[::-1]

    async def test_a_revoked_token_keeps_its_first_time(self, accounts: AccountStore, owner: str) -> None:
        token = await accounts.add_token(make_token(owner))
        first = await accounts.revoke_token(owner, token.token_id)
        assert first.revoked_at is not None
        assert await accounts.revoke_token(owner, token.token_id) == first == await accounts.load_token(token.token_id)

    async def test_one_of_several_tokens_is_used_and_revoked_alone(self, accounts: AccountStore, owner: str) -> None:
        used, revoked, other = [await accounts.add_token(make_token(owner)) for _ in range(3)]
        foreign = await accounts.add_token(make_token(f"{owner}-2"))
        await accounts.touch_token(used.token_id)
        assert (await accounts.revoke_token(owner, revoked.token_id)).token_id == revoked.token_id
        kept = await accounts.load_token(used.token_id)
        assert kept
        assert kept == replace(used, last_used_at=kept.last_used_at)
        for token in (other, foreign):
            assert await accounts.load_token(token.token_id) == token

    async def test_a_token_of_another_owner_is_not_found(self, accounts: AccountStore, owner: str) -> None:
        token = await accounts.add_token(make_token(owner))
        with pytest.raises(NotFound, match="does not exist"):
            await accounts.revoke_token("another-team", token.token_id)
        assert await accounts.load_token(token.token_id) == token

    async def test_the_last_use_is_written_once_a_minute(self, accounts: AccountStore, owner: str) -> None:
        token = await accounts.add_token(make_token(owner))
        await accounts.touch_token(token.token_id)
        used = await accounts.load_token(token.token_id)
        await accounts.touch_token(token.token_id)
        assert used
        assert used.last_used_at is not None
        assert await accounts.load_token(token.token_id) == used
        await accounts.touch_token("0" * 16)

    async def test_only_valid_tokens_count_against_the_limit(
        self, accounts: AccountStore, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (memory, postgres):
            monkeypatch.setattr(module, "MAX_TOKENS", 1)
        await accounts.add_token(make_token(f"not {owner}"))
        await accounts.add_token(make_token(owner, expires_at=datetime.now(UTC) - timedelta(days=1)))
        token = await accounts.add_token(make_token(owner))
        with pytest.raises(Conflict, match="1 tokens already"):
            await accounts.add_token(make_token(owner))
        await accounts.revoke_token(owner, token.token_id)
        await accounts.add_token(make_token(owner))


class TestSessions:
    async def test_sessions_are_listed_last_used_first_for_their_owner(
        self, accounts: AccountStore, owner: str
    ) -> None:
        ages = [timedelta(hours=2), timedelta(hours=1), timedelta(hours=3)]
        made = [make_session(owner, age=age) for age in ages]
        for session in (*made, make_session(f"{owner}-2"), make_session(owner, left=timedelta(seconds=-1))):
            await accounts.add_session(session)
        assert await accounts.list_sessions(owner) == [made[1], made[0], made[2]]
        assert await accounts.list_sessions("nobody") == []

    async def test_a_session_is_confirmed_now(self, accounts: AccountStore, owner: str) -> None:
        session = replace(make_session(owner), address="192.0.2.7", agent="Browser", confirmed_at=NOW)
        await accounts.add_session(session)
        await accounts.confirm_session(session.session_id)
        await accounts.confirm_session("0" * 64)
        kept = await accounts.load_session(session.session_id)
        assert kept
        assert kept.confirmed_at
        assert abs(kept.confirmed_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert kept == replace(session, confirmed_at=kept.confirmed_at)

    async def test_a_session_is_kept_until_it_ends(self, accounts: AccountStore, owner: str) -> None:
        session = make_session(owner)
        await accounts.add_session(session)
        assert await accounts.load_session(session.session_id) == session
        await accounts.end_session(session.session_id)
        await accounts.end_session(session.session_id)
        assert await accounts.load_session(session.session_id) is None

    async def test_a_session_of_one_browser_leaves_those_of_others_alone(
        self, accounts: AccountStore, owner: str
    ) -> None:
        mine, other = make_session(owner), make_session(owner)
        for session in (other, mine):
            await accounts.add_session(session)
        await accounts.confirm_session(mine.session_id)
        assert await accounts.load_session(other.session_id) == other
        await accounts.end_session(mine.session_id)
        assert await accounts.load_session(mine.session_id) is None
        assert await accounts.load_session(other.session_id) == other
        assert await accounts.list_sessions(owner) == [other]

    async def test_the_last_use_is_written_once_a_minute(self, accounts: AccountStore, owner: str) -> None:
        old, young = make_session(owner, age=timedelta(minutes=2)), make_session(owner, age=timedelta(seconds=30))
        unused = make_session(owner, age=timedelta(minutes=2))
        await accounts.add_session(unused)
        for session in (old, young):
            await accounts.add_session(session)
            await accounts.touch_session(session.session_id)
        assert await accounts.load_session(unused.session_id) == unused
        touched = await accounts.load_session(old.session_id)
        assert touched
        assert touched.seen_at > old.seen_at
        assert await accounts.load_session(young.session_id) == young

    async def test_a_sign_out_is_kept_at_its_latest_time(self, accounts: AccountStore, owner: str) -> None:
        assert await accounts.load_sign_out(owner) is None
        for minutes in (5, 9, 7):
            await accounts.sign_out(owner, NOW + timedelta(minutes=minutes))
        assert await accounts.load_sign_out(owner) == NOW + timedelta(minutes=9)

    async def test_pruning_drops_what_has_expired(self, accounts: AccountStore, owner: str) -> None:
        now = datetime.now(UTC)
        over, open_one = make_session(owner, left=timedelta(seconds=-1)), make_session(owner)
        for session in (over, open_one):
            await accounts.add_session(session)
        old = await accounts.add_token(make_token(owner, expires_at=now - timedelta(days=401)))
        both = await accounts.add_token(make_token(owner, expires_at=now - timedelta(days=401)))
        await accounts.revoke_token(owner, both.token_id)
        kept = await accounts.add_token(make_token(owner, expires_at=now - timedelta(days=399)))
        await accounts.sign_out(owner, now - timedelta(days=31))
        assert await accounts.prune() >= 3
        assert await accounts.load_session(over.session_id) is None
        assert await accounts.load_session(open_one.session_id) == open_one
        assert [token.token_id for token in await accounts.list_tokens(owner)] == [kept.token_id]
        assert await accounts.load_token(old.token_id) is None
        assert await accounts.load_sign_out(owner) is None


def test_a_hash_and_a_digest_are_not_shown() -> None:
    shown = repr((make_user("o", password_hash="secret-hash"), make_token("o", digest="secret-digest")))
    assert "secret" not in shown


async def test_a_dead_database_is_a_store_error(anyio_backend: str) -> None:
    url = "postgresql://kaboom:x@127.0.0.1:1/none"
    store = postgres.PostgresAccountStore(connect_postgres(url, application_name="test"))
    for call in (store.load_user("usr_1"), store.load_token("1"), store.load_session("1"), store.list_users("o")):
        with pytest.raises(StoreError):
            await call


async def test_hostile_text_is_kept_as_text(accounts: AccountStore, owner: str) -> None:
    name = "'; DROP TABLE users; --\u202e" + "x" * 10_000
    assert (await accounts.add_token(make_token(owner, name=name))).name == name
    assert isinstance(accounts, (MemoryAccountStore, postgres.PostgresAccountStore))
