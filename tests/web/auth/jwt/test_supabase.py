"""Supabase's JWTs, with a project on loopback: by its public keys, and by its legacy secret."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kaboom.errors import ConfigurationError, StoreError
from kaboom.web.auth.jwt.claims import Claims
from kaboom.web.auth.jwt.codec import parse_key_set, read_head
from kaboom.web.auth.jwt.supabase import KeySet, SupabaseTokens, principal_of
from kaboom.web.auth.scopes import SCOPES, Role
from tests.fixtures.accounts.jwts import (
    LEGACY_SECRET,
    Project,
    as_jwk,
    claims,
    ec_key,
    encode_raw,
    public_pem,
    rsa_key,
    supabase,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def project() -> Iterator[Project]:
    """A project with a P-256 and an RSA key."""
    with supabase() as made:
        yield made


async def verify(text: str, tokens: SupabaseTokens) -> Claims | None:
    head = read_head(text.encode())
    return await tokens.verify(text.encode(), head) if head else None


def legacy(project: Project, **values: Any) -> str:
    payload = claims(project.issuer, "authenticated", role="authenticated", **values)
    return jwt.encode(payload, LEGACY_SECRET, algorithm="HS256")


@pytest.mark.parametrize(("algorithm", "kid"), [("ES256", "ec-1"), ("RS256", "rsa-1")])
async def test_a_user_of_the_project_is_verified(project: Project, algorithm: str, kid: str) -> None:
    said = await verify(project.sign(algorithm=algorithm, kid=kid), SupabaseTokens(project.url))
    assert said
    caller = principal_of(said)
    assert (caller.owner, caller.method, caller.role, caller.name) == (
        "ingest", "supabase", Role.OPERATOR, "hana@example.com",
    )  # fmt: skip
    assert caller.scopes == SCOPES[Role.OPERATOR]


async def test_the_legacy_secret_verifies_only_where_it_is_set(project: Project) -> None:
    assert await verify(legacy(project), SupabaseTokens(project.url, legacy_secret=LEGACY_SECRET))
    assert await verify(legacy(project), SupabaseTokens(project.url)) is None


async def test_the_keys_are_asked_for_with_the_public_api_key(project: Project) -> None:
    assert await verify(project.sign(), SupabaseTokens(project.url, anon_key="sb-publishable"))
    assert project.api_key == "sb-publishable"


@pytest.mark.parametrize(
    "values",
    [
        {"iss": "https://another.supabase.co/auth/v1"},
        {"aud": "anon"},
        {"role": "anon"},
        {"role": "service_role"},
        {"role": None},
        {"is_anonymous": True},
        {"sub": None},
        {"exp": 10**18},
    ],
    ids=str,
)
async def test_what_is_no_login_of_a_user_is_refused(project: Project, values: dict[str, Any]) -> None:
    tokens = SupabaseTokens(project.url, legacy_secret=LEGACY_SECRET)
    assert await verify(project.sign(**values), tokens) is None
    payload = claims(project.issuer, "authenticated", **({"role": "authenticated"} | values))
    assert await verify(jwt.encode(payload, LEGACY_SECRET, algorithm="HS256"), tokens) is None


async def test_algorithms_cannot_be_swapped(project: Project) -> None:
    tokens = SupabaseTokens(project.url, legacy_secret=LEGACY_SECRET)
    payload = claims(project.issuer, "authenticated", role="authenticated")
    forged = [
        encode_raw({"alg": "HS256", "kid": kid}, payload, public_pem(key))
        for kid, key in (("ec-1", ec_key()), ("rsa-1", rsa_key()))
    ]
    forged += [
        encode_raw({"alg": algorithm, "kid": "ec-1"}, payload, LEGACY_SECRET.encode())
        for algorithm in ("ES256", "RS256", "none", "HS512")
    ]
    forged += [project.sign(algorithm="RS256", kid="ec-1", key=rsa_key()), project.sign(key=ec_key("another"))]
    forged.append(jwt.encode(payload, rsa_key(), algorithm="PS256", headers={"kid": "rsa-1"}))
    assert [await verify(text, tokens) for text in forged] == [None] * len(forged)


@pytest.mark.parametrize(
    ("metadata", "role", "owner"),
    [
        ({"app_metadata": {"kaboom_role": "admin", "kaboom_owner": "desk-2"}}, Role.ADMIN, "desk-2"),
        ({"app_metadata": {}}, None, "ingest"),
        ({"app_metadata": None}, None, "ingest"),
        ({"app_metadata": "admin"}, None, "ingest"),
        ({"app_metadata": {"role": "admin"}}, None, "ingest"),
        ({"app_metadata": {"kaboom_role": "root"}}, None, "ingest"),
        ({"app_metadata": {"kaboom_role": ["admin"]}}, None, "ingest"),
        ({"app_metadata": {}, "user_metadata": {"kaboom_role": "admin", "kaboom_owner": "desk-2"}}, None, "ingest"),
        ({"app_metadata": {}, "kaboom_role": "admin"}, None, "ingest"),
        ({"app_metadata": {"kaboom_role": "admin", "kaboom_owner": "../desk"}}, None, "ingest"),
        ({"app_metadata": {"kaboom_role": "admin", "kaboom_owner": 7}}, None, "ingest"),
    ],
    ids=str,
)
async def test_role_and_owner_come_from_app_metadata(
    project: Project, metadata: dict[str, Any], role: Role | None, owner: str
) -> None:
    said = await verify(project.sign(**metadata), SupabaseTokens(project.url))
    assert said
    caller = principal_of(said)
    assert (caller.role, caller.owner, caller.scopes) == (role, owner, SCOPES[role] if role else frozenset())


class TestKeys:
    async def test_an_unknown_key_is_looked_for_once_a_minute(self, project: Project) -> None:
        now = [1000.0]
        keys = KeySet(project.url, clock=lambda: now[0])
        assert await keys.find("ec-1")
        for _ in range(20):
            assert await keys.find("unknown") is None
        assert project.asked == 1
        project.keys.append(as_jwk(ec_key("ec-2"), "ec-2"))
        assert await keys.find("ec-2") is None
        now[0] += 60
        assert await keys.find("ec-2")
        assert project.asked == 2

    async def test_a_withdrawn_key_is_refused_after_ten_minutes(self, project: Project) -> None:
        now = [1000.0]
        keys = KeySet(project.url, clock=lambda: now[0])
        assert await keys.find("ec-1")
        project.keys.clear()
        now[0] += 601
        assert await keys.find("ec-1") is None

    async def test_while_the_project_is_unavailable_its_keys_stay_valid_for_a_day(self, project: Project) -> None:
        now = [1000.0]
        keys = KeySet(project.url, clock=lambda: now[0])
        assert await keys.find("ec-1")
        project.status = 500
        now[0] += 24 * 3600 - 1
        assert await keys.find("ec-1")
        with pytest.raises(StoreError, match="it answered 500"):
            await keys.find("unknown")
        now[0] += 2
        with pytest.raises(StoreError, match="could not be fetched"):
            await keys.find("ec-1")

    async def test_without_any_key_nobody_is_refused_or_admitted(self) -> None:
        with pytest.raises(StoreError, match="could not be fetched"):
            await KeySet("http://127.0.0.1:1").find("ec-1")

    @pytest.mark.parametrize(
        "entry",
        [
            {"kty": "oct", "k": "c2hvcnQ", "kid": "x", "alg": "HS256"},
            as_jwk(ec_key(), "x", use="enc"),
            as_jwk(rsa_key("short", 1024), "x"),
            as_jwk(ec_key(), "x") | {"kid": 7},
            as_jwk(ec_key(), "x") | {"crv": "P-521"},
            as_jwk(ec.generate_private_key(ec.SECP384R1()), "x"),
            "x",
            None,
            {},
        ],
    )
    def test_a_key_of_another_kind_is_left_out(self, entry: Any) -> None:
        good = as_jwk(ec_key(), "good")
        assert list(parse_key_set({"keys": [entry, good]})) == ["good"]

    def test_of_a_long_key_set_the_first_keys_are_used(self) -> None:
        keys = parse_key_set({"keys": [as_jwk(ec_key(), f"key-{n}") for n in range(1000)]})
        assert list(keys) == [f"key-{n}" for n in range(20)]

    @pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": None}, "x"])
    def test_what_is_no_key_set_has_no_keys(self, document: Any) -> None:
        assert parse_key_set(document) == {}


@pytest.mark.parametrize(
    "url",
    [
        "", "project.supabase.co", "http://project.supabase.co", "https://project.supabase.co/auth/v1",
        "https://a:b@project.supabase.co", "https://project.supabase.co?x=1", "ftp://127.0.0.1", "https://[",
    ],
)  # fmt: skip
def test_an_address_that_is_no_project_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SUPABASE_URL"):
        SupabaseTokens(url)


def test_a_short_legacy_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SUPABASE_JWT_SECRET held a key of 5 bytes"):
        SupabaseTokens("https://project.supabase.co", legacy_secret="short")
