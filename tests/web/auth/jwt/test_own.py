"""Kaboom's own JWTs: what is accepted, and what attackers send."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from kaboom.errors import ConfigurationError
from kaboom.web.auth.jwt import codec
from kaboom.web.auth.jwt.claims import MOST_BYTES, Claims
from kaboom.web.auth.jwt.codec import read_head
from kaboom.web.auth.jwt.own import LIFE, OwnTokens, parse_jwt_keys
from kaboom.web.caller_errors import ExpiredToken
from tests.fixtures.accounts.jwts import JWT_KEY, claims, ec_key, encode_raw, public_pem, rsa_key

pytestmark = pytest.mark.anyio
OTHER_KEY = "another-key-of-the-tests-with-32-bytes-or-more"
NOW = int(time.time())


def tokens(*keys: str) -> OwnTokens:
    async def load() -> list[bytes]:
        return [key.encode() for key in keys]

    return OwnTokens(load)


async def verify(text: str, own: OwnTokens | None = None) -> Claims | None:
    head = read_head(text.encode())
    return await (own or tokens(JWT_KEY)).verify(text.encode(), head) if head else None


async def key_id() -> str:
    text, _ = await tokens(JWT_KEY).issue("usr_1", datetime.now(UTC))
    return str(jwt.get_unverified_header(text)["kid"])


async def forge(
    key: Any = JWT_KEY, algorithm: str = "HS256", header: dict[str, Any] | None = None, **values: Any
) -> str:
    payload = claims("kaboom", "kaboom", **values)
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": await key_id()})


async def test_an_issued_token_is_verified(anyio_backend: str) -> None:
    now = datetime.now(UTC)
    text, expires_at = await tokens(JWT_KEY).issue("usr_1", now)
    said = await verify(text)
    assert said
    assert (said.subject, said.issued_at) == ("usr_1", now)
    assert expires_at == now + LIFE
    assert (await verify(await forge())) is not None


async def test_both_keys_verify_during_a_rotation_and_the_first_signs(anyio_backend: str) -> None:
    old, both, new = tokens(JWT_KEY), tokens(OTHER_KEY, JWT_KEY), tokens(OTHER_KEY)
    by_old, by_both = [(await own.issue("usr_1", datetime.now(UTC)))[0] for own in (old, both)]
    assert await verify(by_old, both)
    assert await verify(by_both, new)
    assert await verify(by_both, old) is None
    assert await verify(by_old, new) is None


BAD_CLAIMS: list[dict[str, Any]] = [
    *({name: None} for name in ("iss", "aud", "exp", "iat", "sub")),
    {"iss": "somebody"},
    {"aud": "somebody"},
    {"aud": ["kaboom", "somebody"]},
    {"exp": NOW + 25 * 3600},
    {"exp": 10**18},
    {"exp": 10**400},
    {"exp": "never"},
    {"exp": NOW - 1, "iat": NOW + 3600},
    {"iat": NOW + 3600, "exp": NOW + 7200},
    {"iat": -(10**15)},
    {"nbf": NOW + 3600},
    {"sub": ""},
    {"sub": "x" * 201},
    {"sub": "usr_1\x00"},
    {"sub": 7},
    {"sub": ["usr_1"]},
]


@pytest.mark.parametrize("values", BAD_CLAIMS)
async def test_a_claim_that_is_missing_or_out_of_bounds_is_refused(values: dict[str, Any]) -> None:
    header = {"alg": "HS256", "kid": await key_id()}
    assert await verify(encode_raw(header, claims("kaboom", "kaboom", **values), JWT_KEY.encode())) is None


async def test_a_token_that_ends_before_it_begins_is_refused(anyio_backend: str) -> None:
    # Both times are within the leeway.
    now = int(time.time())
    times = {"exp": now + 5, "iat": now + 20}
    header = {"alg": "HS256", "kid": await key_id()}
    assert await verify(encode_raw(header, claims("kaboom", "kaboom", **times), JWT_KEY.encode())) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "ES256", "RS256", "PS256"])
async def test_another_algorithm_is_refused(algorithm: str) -> None:
    header = {"alg": algorithm, "kid": await key_id()}
    for key in (b"", JWT_KEY.encode()):
        assert await verify(encode_raw(header, claims("kaboom", "kaboom"), key)) is None


def test_the_codec_takes_only_the_algorithm_that_it_is_given() -> None:
    key = JWT_KEY * 2
    text = jwt.encode(claims("kaboom", "kaboom"), key, algorithm="HS512")
    said = [
        codec.verify(text.encode(), key.encode(), algorithm=algorithm, issuer="kaboom", audience="kaboom")
        for algorithm in ("HS512", "HS256", "none")
    ]
    assert [each is not None for each in said] == [True, False, False]


async def test_a_token_signed_by_another_kind_of_key_is_refused(anyio_backend: str) -> None:
    for key, algorithm in ((ec_key(), "ES256"), (rsa_key(), "RS256")):
        assert await verify(await forge(key, algorithm)) is None


async def test_a_public_key_is_no_hmac_key(anyio_backend: str) -> None:
    header = {"alg": "HS256", "kid": await key_id()}
    for key in (public_pem(ec_key()), public_pem(rsa_key())):
        assert await verify(encode_raw(header, claims("kaboom", "kaboom"), key)) is None


@pytest.mark.parametrize("key", ["short", "x", JWT_KEY[:-1], f"{JWT_KEY}x", JWT_KEY.upper()])
async def test_a_token_of_another_key_is_refused(key: str) -> None:
    header = {"alg": "HS256", "kid": await key_id()}
    assert await verify(encode_raw(header, claims("kaboom", "kaboom"), key.encode())) is None


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "http://127.0.0.1/keys"},
        {"x5u": "http://127.0.0.1/keys"},
        {"jwk": {"kty": "oct", "k": "c2hvcnQ"}},
        {"x5c": ["…"]},
        {"crit": ["exp"]},
        {"b64": False},
        {"kid": "another"},
        {"kid": None},
        {"kid": 7},
        {"kid": "../../dev/null"},
    ],
    ids=str,
)
async def test_a_header_that_brings_a_key_is_refused(header: dict[str, Any]) -> None:
    given = {"alg": "HS256", "kid": await key_id()} | header
    assert await verify(encode_raw(given, claims("kaboom", "kaboom"), JWT_KEY.encode())) is None


@pytest.mark.parametrize("payload", [[], "text", 7, None, {"iss": 7}, {"iss": ["kaboom"]}, [[[]]]], ids=str)
async def test_a_payload_that_is_no_object_is_refused(payload: Any) -> None:
    assert await verify(encode_raw({"alg": "HS256", "kid": await key_id()}, payload, JWT_KEY.encode())) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.e30",
        "x" * 9000,
        "." * 9000,
        "eyJhbGciOiJIUzI1NiJ9." + "A" * 8100 + ".A",
        "日本.日本.日本",
        "\x00.\x00.\x00",
        "=.=.=",
        "bnVsbA.bnVsbA.bnVsbA",
        "W1td.W1td.W1td",
    ],
)
async def test_what_is_no_token_is_refused(text: str) -> None:
    assert await verify(text) is None


async def test_a_token_of_more_than_8_kb_is_not_parsed(anyio_backend: str) -> None:
    texts = [await forge(x="x" * size) for size in (5_800, 6_000)]
    assert [len(text) <= MOST_BYTES for text in texts] == [True, False]
    assert [await verify(text) is not None for text in texts] == [True, False]


async def test_deeply_nested_json_is_refused(anyio_backend: str) -> None:
    deep = "[" * 2900 + "]" * 2900
    text = encode_raw({"alg": "HS256", "kid": await key_id()}, claims("kaboom", "kaboom", x=deep), JWT_KEY.encode())
    assert await verify(text) is not None  # a text is not parsed
    assert await verify(text[:-2] + "AA") is None


async def test_every_changed_character_of_a_token_is_noticed(anyio_backend: str) -> None:
    text = await forge()
    for place in range(0, len(text) - 1, 7):
        if text[place] != ".":
            changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
            assert await verify(changed) is None, place


@pytest.mark.parametrize("text", ["", "short", "x" * 31, f"{JWT_KEY} short", " ".join([JWT_KEY] * 3)])
def test_keys_that_can_be_guessed_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_jwt_keys(text)
    assert JWT_KEY not in error.value.message


def test_the_shortest_key_has_32_bytes() -> None:
    assert parse_jwt_keys("x" * 32) == (b"x" * 32,)
    # A letter of three bytes counts as three.
    assert parse_jwt_keys("鍵" * 11) == (("鍵" * 11).encode(),)


def test_white_space_separates_keys() -> None:
    assert parse_jwt_keys(f" {JWT_KEY}\n{OTHER_KEY} ") == (JWT_KEY.encode(), OTHER_KEY.encode())


async def test_an_expired_token_is_refused_after_its_life(anyio_backend: str) -> None:
    text, _ = await tokens(JWT_KEY).issue("usr_1", datetime.now(UTC) - LIFE - timedelta(minutes=1))
    with pytest.raises(ExpiredToken):
        await verify(text)


@pytest.mark.parametrize("key", [OTHER_KEY, "", JWT_KEY + "x"])
async def test_a_forged_token_does_not_learn_that_it_has_expired(key: str) -> None:
    header = {"alg": "HS256", "kid": await key_id()}
    expired = claims("kaboom", "kaboom", exp=NOW - 3600, iat=NOW - 7200)
    assert await verify(encode_raw(header, expired, key.encode())) is None
    # PyJWT reads True as the first second of 1970.
    for signed in (expired, expired | {"exp": True}):
        with pytest.raises(ExpiredToken):
            await verify(encode_raw(header, signed, JWT_KEY.encode()))
