"""Read, verify and sign JWTs with PyJWT, which is loaded with the first JWT.

PyJWT checks the signature, `exp`, `nbf`, `iat`, `iss` and `aud`. But it accepts a key of 5 bytes and an `exp` 10^18
seconds ahead, and malicious tokens make it raise TypeError and other errors; Kaboom handles these itself.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kaboom.web.auth.jwt.claims import LEEWAY_S, MOST_BYTES, MOST_LIFE_S, MOST_SUBJECT, Claims, Head
from kaboom.web.caller_errors import ExpiredToken

#: Headers by which a token could supply its own key or change how it is read.
_FORBIDDEN = frozenset({"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"})
_REQUIRED = ["iss", "aud", "exp", "iat", "sub"]
_LEAST_RSA_BITS = 2048
_MOST_KEYS = 20

type VerificationKey = bytes | EllipticCurvePublicKey | RSAPublicKey


def read_head(token: bytes) -> Head | None:
    """Return the unverified head of a token; None if it is not a JWT or has a forbidden header."""
    if len(token) > MOST_BYTES or token.count(b".") != 2:
        return None
    try:
        text = token.decode("ascii")
        header = jwt.get_unverified_header(text)
        payload = jwt.decode(text, options={"verify_signature": False})
    except Exception:  # noqa: BLE001  malicious tokens make PyJWT raise more than its own errors
        return None
    if _FORBIDDEN & header.keys():
        return None
    said = (header.get("alg"), header.get("kid", ""), payload.get("iss"))
    return Head(*said) if all(isinstance(value, str) for value in said) else None  # type: ignore[arg-type]


def verify(token: bytes, key: VerificationKey, *, algorithm: str, issuer: str, audience: str) -> Claims | None:
    """Return the claims of a token that is signed by the key with this algorithm and within all limits; else None.

    Raises:
        ExpiredToken: the token has expired. PyJWT checks the signature first, so nobody learns this of a forged one.

    """
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED, "verify_signature": True, "strict_aud": True},
        )
        return _parse(payload)
    except jwt.ExpiredSignatureError:
        raise ExpiredToken("the JWT has expired: log in again") from None
    except Exception:  # noqa: BLE001  as above: after any error the caller is not authenticated
        return None


def sign(payload: Mapping[str, Any], key: bytes, *, key_id: str) -> str:
    """Return a token of the payload, signed with HS256."""
    return jwt.encode(dict(payload), key, algorithm="HS256", headers={"kid": key_id})


def parse_key_set(document: Any) -> dict[str, tuple[str, VerificationKey]]:
    """Return the usable keys of a JSON Web Key Set by `kid`, each with the algorithm that it is allowed for.

    Symmetric keys, short RSA keys, other curves than P-256 and keys for other uses are left out.
    """
    found: dict[str, tuple[str, VerificationKey]] = {}
    entries = document.get("keys") if isinstance(document, dict) else None
    for entry in (entries if isinstance(entries, list) else [])[:_MOST_KEYS]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK.from_dict(entry).key
        except Exception:  # noqa: BLE001, S112  a key type that PyJWT does not support
            continue
        if algorithm := _algorithm_of(key):
            found[entry["kid"]] = algorithm, key
    return found


def _algorithm_of(key: Any) -> str:
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return "RS256"
    return ""


def _parse(payload: Mapping[str, Any]) -> Claims | None:
    subject, begin, end = payload["sub"], payload["iat"], payload["exp"]
    if not isinstance(subject, str) or not 0 < len(subject) <= MOST_SUBJECT or not subject.isprintable():
        return None
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (begin, end)):
        return None
    if not 0 < end - begin <= MOST_LIFE_S:
        return None
    begun_at, ends_at = (datetime.fromtimestamp(at, UTC) for at in (begin, end))
    return Claims(subject, begun_at, ends_at, payload)
