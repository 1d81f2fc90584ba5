"""Scopes, which are the permissions of a caller, and the roles that group them."""

from collections.abc import Mapping
from enum import StrEnum


class Scope(StrEnum):
    """A permission; every route states the scopes that it needs."""

    INGEST = "ingest"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    BARS_READ = "bars:read"
    SCHEDULES_WRITE = "schedules:write"
    PORTFOLIOS_READ = "portfolios:read"
    PORTFOLIOS_WRITE = "portfolios:write"
    STRATEGIES_RUN = "strategies:run"
    ALERTS_WRITE = "alerts:write"
    ADMIN = "admin"


class Role(StrEnum):
    """The role of a user; `SCOPES` has the scopes of each role."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER = frozenset({Scope.JOBS_READ, Scope.BARS_READ, Scope.PORTFOLIOS_READ})
SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _VIEWER
    | {Scope.INGEST, Scope.JOBS_WRITE, Scope.SCHEDULES_WRITE, Scope.PORTFOLIOS_WRITE, Scope.ALERTS_WRITE},
    Role.ADMIN: frozenset(Scope),
}
