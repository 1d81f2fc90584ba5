"""Who makes a request, once it is authenticated."""

import re
from dataclasses import dataclass

from app.auth.scopes import Role, Scope

#: The owner of what is made without a request, such as the schedule that Kaboom begins with, and of every ingest token.
#: It is stored with each job, so it does not change when a token is rotated.
DEFAULT_OWNER = "ingest"
#: The name of an owner.
OWNER_FORM = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        owner: whose jobs, schedules and webhooks the caller may see and change; rate limits count by it.
        method: how the caller was authenticated: `ingest_token`, `token`, `jwt`, `supabase` or `session` (a cookie).
        subject: the stable id of the user or token; the audit log has it.
        name: what people call the user or token.
        role: the role of a user; None for a token, which has scopes only.
        scopes: what the caller may do.

    """

    owner: str
    method: str
    subject: str
    name: str
    scopes: frozenset[Scope]
    role: Role | None = None
