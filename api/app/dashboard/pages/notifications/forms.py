"""What the page of notifications changes; the audit log has these functions' names, which are those of the API's."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from app.auth.scopes import Scope
from app.dashboard.asking import Reply
from app.dashboard.page import Page
from app.dashboard.pages.notifications.listed import kinds_in
from app.dashboard.viewer import first_of, read_form
from app.deps import needs
from app.notifications.routes import PREFIX
from app.notifications.schemas import SELECTABLE

router = APIRouter(prefix="/notifications", dependencies=[needs(Scope.ADMIN)])
ObjectId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
MessageId = Annotated[str, Path(pattern="^msg_[0-9a-f]{32}$")]
_TIMES = ("quiet_from", "quiet_until", "digest_at", "deadline")
#: The states of jobs that people want to hear of, the worst first.
_ENDS = ("failed", "partial", "cancelled", "completed")


@router.get("/rules/new")
async def show_rule_form(page: Page) -> Response:
    """Show the form for a new rule."""
    empty: dict[str, Any] = dict.fromkeys(("name", "channel_id", *_TIMES), "")
    chosen = {"events": ["job_ended"], "status": ["failed", "partial"], "language": "ja"}
    return await _show_rule_form(page, empty | chosen)


@router.post("/rules")
async def create_rule(page: Page, request: Request) -> Response:
    """Add a rule; one that is refused is shown again with the reason at its field."""
    fields = await read_form(request)
    values: dict[str, Any] = {name: first_of(fields, name) for name in ("name", "channel_id", "language", *_TIMES)}
    values |= {"events": fields.get("events", []), "status": fields.get("status", [])}
    reply = await page.api.post(f"{PREFIX}/rules", _to_rule(values))
    return _go(page, "rule_added") if reply.is_ok else await _show_rule_form(page, values, reply)


@router.post("/rules/{rule_id}/switch")
async def switch_rule(page: Page, request: Request, rule_id: ObjectId) -> Response:
    """Turn a rule on or off."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    return await _end(page, await page.api.patch(f"{PREFIX}/rules/{rule_id}", {"is_enabled": is_enabled}), "changed")


@router.post("/rules/{rule_id}/remove")
async def delete_rule(page: Page, request: Request, rule_id: ObjectId) -> Response:
    """Remove a rule."""
    await read_form(request)
    return await _end(page, await page.api.delete(f"{PREFIX}/rules/{rule_id}"), "removed")


@router.get("/channels/new")
async def show_channel_form(page: Page) -> Response:
    """Show the form for a new channel."""
    return await page.show("notifications/channel_new.html", values={"name": "", "kind": "apprise"}, problem=None)


@router.post("/channels")
async def create_channel(page: Page, request: Request) -> Response:
    """Set up a channel; one that is refused is shown again without its URL."""
    fields = await read_form(request)
    values = {name: first_of(fields, name) for name in ("name", "kind", "url")}
    reply = await page.api.post(
        f"{PREFIX}/channels", {**values, "name": values["name"].strip(), "url": values["url"].strip()}
    )
    if reply.is_ok:
        return _go(page, "channel_added")
    return await page.show("notifications/channel_new.html", reply.status, values=values, problem=reply.problem)


@router.post("/channels/{channel_id}/switch")
async def switch_channel(page: Page, request: Request, channel_id: ObjectId) -> Response:
    """Turn a channel on or off."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    reply = await page.api.patch(f"{PREFIX}/channels/{channel_id}", {"is_enabled": is_enabled})
    return await _end(page, reply, "changed")


@router.post("/channels/{channel_id}/test")
async def send_test(page: Page, request: Request, channel_id: ObjectId) -> Response:
    """Send a test through a channel."""
    await read_form(request)
    return await _end(page, await page.api.post(f"{PREFIX}/channels/{channel_id}/test"), "tested")


@router.post("/channels/{channel_id}/remove")
async def delete_channel(page: Page, request: Request, channel_id: ObjectId) -> Response:
    """Remove a channel."""
    await read_form(request)
    return await _end(page, await page.api.delete(f"{PREFIX}/channels/{channel_id}"), "removed")


@router.post("/messages/{message_id}/again")
async def replay_message(page: Page, request: Request, message_id: MessageId) -> Response:
    """Send a message again."""
    await read_form(request)
    return await _end(page, await page.api.post(f"{PREFIX}/messages/{message_id}/replay"), "again")


def _to_rule(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as JSON has them; what they hold is checked by the API."""
    body = {"name": values["name"].strip(), "channel_id": values["channel_id"], "language": values["language"]}
    body |= {"events": values["events"]} | {name: values[name] for name in _TIMES if values[name]}
    return body | ({"only": {"status": values["status"]}} if values["status"] else {})


async def _show_rule_form(page: Page, values: Mapping[str, Any], refused: Reply | None = None) -> Response:
    found = await page.ask(f"{PREFIX}/channels")
    if not found.is_ok:
        return await page.show_problem(found)
    return await page.show(
        "notifications/rule_new.html",
        refused.status if refused else 200,
        values=values,
        problem=refused.problem if refused else None,
        channels=found.data["items"],
        kinds={kind: text for kind, text in kinds_in(page.viewer.language).items() if kind in SELECTABLE},
        ends=_ENDS,
    )


async def _end(page: Page, reply: Reply, told: str) -> Response:
    return _go(page, told) if reply.is_ok else await page.show_problem(reply)


def _go(page: Page, told: str) -> Response:
    return page.go_to(f"/notifications?told={told}")
