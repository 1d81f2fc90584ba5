"""The authenticated caller of a request."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from kaboom.web.auth.scopes import Role, Scope

#: The owner of every ingest token, and of records that are made without a request, such as the default schedule.
#: It is stored with each job, so it does not change when a token is rotated.
DEFAULT_OWNER = "ingest"
#: The form of an owner's name.
OWNER_FORM = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        owner: the team whose jobs, schedules and webhooks the caller may see and change; they share limits.
        method: how the caller was authenticated: `ingest_token`, `token`, `jwt`, `supabase` or `session` (a cookie).
        subject: the stable id of the user or token, written to the audit log.
        name: the display name of the user or token.
        role: the role of a user; None for a token, which has scopes only.
        scopes: the permissions of the caller.
        confirmed_at: when the password or the token of a browser's session was last entered.

    """

    owner: str
    method: str
    subject: str
    name: str
    scopes: frozenset[Scope]
    role: Role | None = None
    confirmed_at: datetime | None = field(default=None, compare=False)


def is_privileged(caller: Principal) -> bool:
    """Return whether a part of the limits of its owner is kept for a caller: an admin, or INGEST_API_TOKEN."""
    return Scope.ADMIN in caller.scopes
