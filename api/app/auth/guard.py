"""Which paths are public, and who makes a request to any other path."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.auth.principals import Principal

#: The only paths that need no principal. Compared exactly: a new path is guarded until it is listed here.
PUBLIC_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json"})


class Authenticator(Protocol):
    """One way to authenticate a request."""

    def authenticate(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Return who makes a request with these headers, or None; an invalid credential raises nothing."""
        ...


def is_public(path: str) -> bool:
    """Return whether a path needs no principal."""
    return path in PUBLIC_PATHS


def find_principal(authenticators: Sequence[Authenticator], headers: Mapping[bytes, bytes]) -> Principal | None:
    """Return who makes a request: the answer of the first authenticator that knows the caller."""
    found = (each.authenticate(headers) for each in authenticators)
    return next((principal for principal in found if principal), None)
