"""The forms of channels and messages.

The audit log shows the names of these functions. They are those of the API, except `switch_channel`.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.page_request import HexId, Page
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.jobs.deps import needs
from kaboom.notify.routes import PREFIX
from kaboom.web.auth.scopes import Scope

router = APIRouter(prefix="/notifications", dependencies=[needs(Scope.ADMIN)])
MessageId = Annotated[str, Path(pattern="^msg_[0-9a-f]{32}$")]


@router.get("/channels/new")
async def show_channel_form(page: Page) -> Response:
    """Show the form for a new channel."""
    return await page.show("notifications/channel_new.html", values={"name": "", "kind": "apprise"}, problem=None)


@router.post("/channels")
async def create_channel(page: Page, request: Request) -> Response:
    """Create a channel; a refused form is shown again without its URL."""
    fields = await read_form(request)
    values = {name: first_of(fields, name) for name in ("name", "kind", "url")}
    reply = await page.api.post(
        f"{PREFIX}/channels", {**values, "name": values["name"].strip(), "url": values["url"].strip()}
    )
    if reply.is_ok:
        return go_back(page, "channel_added")
    return await page.show("notifications/channel_new.html", reply.status, values=values, problem=reply.problem)


@router.post("/channels/{channel_id}/switch")
async def switch_channel(page: Page, request: Request, channel_id: HexId) -> Response:
    """Turn a channel on or off."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    reply = await page.api.patch(f"{PREFIX}/channels/{channel_id}", {"is_enabled": is_enabled})
    return await end_form(page, reply, "changed")


@router.post("/channels/{channel_id}/test")
async def send_test(page: Page, request: Request, channel_id: HexId) -> Response:
    """Send a test through a channel."""
    await read_form(request)
    return await end_form(page, await page.api.post(f"{PREFIX}/channels/{channel_id}/test"), "tested")


@router.post("/channels/{channel_id}/remove")
async def delete_channel(page: Page, request: Request, channel_id: HexId) -> Response:
    """Remove a channel."""
    await read_form(request)
    return await end_form(page, await page.api.delete(f"{PREFIX}/channels/{channel_id}"), "removed")


@router.post("/messages/{message_id}/again")
async def replay_message(page: Page, request: Request, message_id: MessageId) -> Response:
    """Send a message again."""
    await read_form(request)
    return await end_form(page, await page.api.post(f"{PREFIX}/messages/{message_id}/replay"), "again")


async def end_form(page: Page, reply: Reply, done: str) -> Response:
    """Go back to the page, which shows what was done; if the API refused it, show the problem."""
    return go_back(page, done) if reply.is_ok else await page.show_problem(reply)


def go_back(page: Page, done: str) -> Response:
    """Go back to the page, which shows what was done."""
    return page.go_to(f"/notifications?done={done}")
