"""`/api/v1/audit`: the changes that callers made, with their addresses."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kaboom.accounts.schemas import AuditListing, AuditPage, AuditView
from kaboom.audit.log import AuditLog, AuditQuery
from kaboom.audit.store import open_audit_log
from kaboom.jobs.deps import Caller, needs, opened
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import INVALID, describe_problems
from kaboom.web.routers import link_next

Audit = Annotated[AuditLog, opened(open_audit_log)]

router = APIRouter(tags=["accounts"], dependencies=[needs(Scope.ADMIN)])


@router.get("/api/v1/audit", responses=describe_problems(INVALID))
async def list_audit(
    audit: Audit, caller: Caller, request: Request, response: Response, query: Annotated[AuditListing, Query()]
) -> AuditPage:
    """List the changes that callers made in the last 400 days, newest first; `Link` leads to the next page."""
    found = await audit.list_lines(
        AuditQuery(
            caller.owner,
            subject=query.subject,
            action=query.action,
            since=query.since,
            until=query.until,
            before=query.cursor,
            limit=query.limit,
        )
    )
    cursor = str(found[-1].place) if len(found) == query.limit else None
    link_next(request, response.headers, cursor)
    return AuditPage(items=[AuditView.model_validate(line) for line in found], next_cursor=cursor)
