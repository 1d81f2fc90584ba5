"""The secrets that webhooks are signed with."""

import base64
import binascii
import secrets

from standardwebhooks import Webhook as Signer

from kaboom.errors import ConfigurationError

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105  not a secret, only its beginning
_MIN_BYTES, _MAX_BYTES = 24, 64


def make_webhook_secret() -> str:
    """Return a new secret of 32 random bytes."""
    return WEBHOOK_SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def parse_secrets(text: str) -> tuple[Signer, ...]:
    """Return a signer for each secret of a setting: `whsec_` and base64, separated by spaces.

    Raises:
        ConfigurationError: a text is not such a secret; the message does not show it.

    """
    signers = []
    for place, secret in enumerate(text.split(), start=1):
        try:
            key = base64.b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith(WEBHOOK_SECRET_PREFIX) or not _MIN_BYTES <= len(key) <= _MAX_BYTES:
            raise ConfigurationError(
                f"KABOOM_WEBHOOK_SECRET: secret {place} was not {WEBHOOK_SECRET_PREFIX} and the base64 of"
                f" {_MIN_BYTES} to {_MAX_BYTES} bytes, as Standard Webhooks asks"
            )
        signers.append(Signer(secret))
    return tuple(signers)
