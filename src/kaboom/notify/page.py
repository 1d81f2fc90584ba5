"""The page of notifications: rules, channels and the delivery log, with their forms."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response, status

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.deliveries import MARKS, DeliveryFilters
from kaboom.dashboard.links import link_to, page_links
from kaboom.dashboard.page_request import HexId, Page
from kaboom.dashboard.viewer import check_form, first_of, number_or_text, read_form
from kaboom.jobs.deps import needs
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify.routes import PREFIX
from kaboom.notify.schemas import SELECTABLE
from kaboom.notify.views import ChannelList, ChannelView, MessagePage, MessageView, RuleList, RuleView
from kaboom.text.catalogue import Language
from kaboom.text.tables import TITLES, say_title
from kaboom.web.auth.scopes import Scope

# The audit log shows the names of these functions. They are those of the API, except `switch_channel`.
router = APIRouter()
MessageId = Annotated[str, Path(pattern="^msg_[0-9a-f]{32}$")]


@router.get("/notifications/channels/new", dependencies=[needs(Scope.ADMIN)])
async def show_channel_form(page: Page) -> Response:
    """Show the form for a new channel."""
    return await page.show(
        "notifications/channel_new.html", values={"name": "", "kind": "apprise", "url": ""}, problem=None
    )


@router.post("/notifications/channels/new", dependencies=[needs(Scope.ADMIN)])
async def create_channel(page: Page, request: Request) -> Response:
    """Create a channel; a refused form is shown again as it was sent."""
    fields = await read_form(request)
    values = {name: first_of(fields, name) for name in ("name", "kind", "url")}
    reply = await page.api.post(
        ChannelView, f"{PREFIX}/channels", {**values, "name": values["name"].strip(), "url": values["url"].strip()}
    )
    if reply.is_ok:
        return go_back(page, "channel_added")
    return await page.show("notifications/channel_new.html", reply.status, values=values, problem=reply.problem)


@router.post("/notifications/channels/{channel_id}/switch", dependencies=[needs(Scope.ADMIN)])
async def switch_channel(page: Page, request: Request, channel_id: HexId) -> Response:
    """Turn a channel on or off."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    reply = await page.api.patch(ChannelView, f"{PREFIX}/channels/{channel_id}", {"is_enabled": is_enabled})
    return await end_form(page, reply, "changed")


@router.post("/notifications/channels/{channel_id}/test", dependencies=[needs(Scope.ADMIN)])
async def send_test(page: Page, request: Request, channel_id: HexId) -> Response:
    """Send a test through a channel."""
    await check_form(request)
    return await end_form(page, await page.api.post(MessageView, f"{PREFIX}/channels/{channel_id}/test"), "tested")


@router.post("/notifications/channels/{channel_id}/remove", dependencies=[needs(Scope.ADMIN)])
async def delete_channel(page: Page, request: Request, channel_id: HexId) -> Response:
    """Remove a channel."""
    await check_form(request)
    return await end_form(page, await page.api.delete(f"{PREFIX}/channels/{channel_id}"), "removed")


@router.post("/notifications/messages/{message_id}/again", dependencies=[needs(Scope.ADMIN)])
async def replay_message(page: Page, request: Request, message_id: MessageId) -> Response:
    """Send a message again."""
    await check_form(request)
    return await end_form(page, await page.api.post(MessageView, f"{PREFIX}/messages/{message_id}/replay"), "again")


async def end_form(page: Page, reply: Reply[Any], done: str) -> Response:
    """Go back to the page, which shows what was done; if the API refused it, show the problem."""
    return go_back(page, done) if reply.is_ok else await page.show_problem(reply)


def go_back(page: Page, done: str) -> Response:
    """Go back to the page, which shows what was done."""
    return page.go_to(f"/notifications?done={done}")


_SHOWN = 50


@router.get("/notifications", dependencies=[needs(Scope.ADMIN)])
async def show_notifications(page: Page, filters: Annotated[DeliveryFilters, Query()]) -> Response:
    """Show rules, channels and the newest messages."""
    rules, channels, log, dead = await asyncio.gather(
        page.api.get(RuleList, f"{PREFIX}/rules"),
        page.api.get(ChannelList, f"{PREFIX}/channels"),
        page.api.get(MessagePage, f"{PREFIX}/messages", status=filters.status, cursor=filters.cursor, limit=_SHOWN),
        page.api.get(MessagePage, f"{PREFIX}/messages", status="dead", limit=1),
    )
    here = link_to("/notifications", status=filters.status)
    return await page.show(
        "notifications/list.html",
        rules=rules,
        channels=channels,
        log=log,
        dead=dead,
        filters=filters,
        states=[each.value for each in DeliveryStatus],
        names={each.id: each.name for each in channels.items},
        kinds=kinds_in(page.viewer.language),
        **page_links(here, log, filters.cursor),
        delivery_marks=MARKS,
    )


def kinds_in(language: Language) -> dict[str, str]:
    """Return the names of the kinds of events."""
    return {kind: say_title("event", kind, language) for kind in TITLES["event"]}


@router.get("/notifications/rules/new", dependencies=[needs(Scope.ADMIN)])
async def show_rule_form(page: Page) -> Response:
    """Show the form for a new rule."""
    empty: dict[str, Any] = dict.fromkeys(TEXTS, "")
    return await _show(page, empty | {"events": ["job_ended"], "status": ["failed", "partial"], "language": "ja"})


@router.post("/notifications/rules/new", dependencies=[needs(Scope.ADMIN)])
async def create_rule(page: Page, request: Request) -> Response:
    """Add a rule; a refused form is shown again with the reason at its field."""
    values = await _read(request)
    reply = await page.api.post(RuleView, f"{PREFIX}/rules", to_rule(values))
    return go_back(page, "rule_added") if reply.is_ok else await _show(page, values, reply)


@router.get("/notifications/rules/{rule_id}/edit", dependencies=[needs(Scope.ADMIN)])
async def show_rule(page: Page, rule_id: HexId) -> Response:
    """Show the form with the values of a rule."""
    rule = await page.api.get(RuleView, f"{PREFIX}/rules/{rule_id}")
    return await _show(page, values_of(rule.data), rule_id=rule_id)


@router.post("/notifications/rules/{rule_id}/edit", dependencies=[needs(Scope.ADMIN)])
async def replace_rule(page: Page, request: Request, rule_id: HexId) -> Response:
    """Change a rule, which stays on or off; a refused form is shown again with the reason at its field."""
    values = await _read(request)
    kept = await page.api.get(RuleView, f"{PREFIX}/rules/{rule_id}")
    body = to_rule(values) | {"is_enabled": kept.data.is_enabled}
    reply = await page.api.put(RuleView, f"{PREFIX}/rules/{rule_id}", body)
    if reply.status == status.HTTP_404_NOT_FOUND:
        return await page.show_problem(reply)
    return go_back(page, "changed") if reply.is_ok else await _show(page, values, reply, rule_id=rule_id)


@router.post("/notifications/rules/{rule_id}/switch", dependencies=[needs(Scope.ADMIN)])
async def switch_rule(page: Page, request: Request, rule_id: HexId) -> Response:
    """Turn a rule on or off."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    return await end_form(
        page, await page.api.patch(RuleView, f"{PREFIX}/rules/{rule_id}", {"is_enabled": is_enabled}), "changed"
    )


@router.post("/notifications/rules/{rule_id}/remove", dependencies=[needs(Scope.ADMIN)])
async def delete_rule(page: Page, request: Request, rule_id: HexId) -> Response:
    """Remove a rule."""
    await check_form(request)
    return await end_form(page, await page.api.delete(f"{PREFIX}/rules/{rule_id}"), "removed")


async def _read(request: Request) -> dict[str, Any]:
    fields = await read_form(request)
    values: dict[str, Any] = {name: first_of(fields, name) for name in TEXTS}
    return values | {name: fields.get(name, []) for name in ("events", "status")}


async def _show(
    page: Page, values: Mapping[str, Any], refused: Reply[Any] | None = None, *, rule_id: str = ""
) -> Response:
    found = await page.api.get(ChannelList, f"{PREFIX}/channels")
    return await page.show(
        "notifications/rule.html",
        refused.status if refused else 200,
        rule_id=rule_id,
        values=values,
        problem=refused.problem if refused else None,
        channels=found.data.items,
        kinds={kind: text for kind, text in kinds_in(page.viewer.language).items() if kind in SELECTABLE},
        ends=ENDS,
    )


#: The states of ended jobs that the form offers, the worst first.
ENDS = ("failed", "partial", "cancelled", "completed")
_TIMES = ("quiet_from", "quiet_until", "digest_at", "deadline")
#: The fields with one value each; `only` has a filter `name=value` in each line.
TEXTS = ("name", "channel_id", "language", *_TIMES, "digest_minutes", "only")


def values_of(rule: RuleView) -> dict[str, Any]:
    """Return the fields of the form from a rule of the API; filters are lines of text, except for the end of a job."""
    values: dict[str, Any] = {name: str(getattr(rule, name) or "") for name in TEXTS if name != "only"}
    pairs = [(name, text) for name, allowed in rule.only.items() for text in allowed]
    lines = [f"{name}={text}" for name, text in pairs if name != "status" or text not in ENDS]
    ends = [text for text in rule.only.get("status", ()) if text in ENDS]
    return values | {"events": rule.events, "status": ends, "only": "\n".join(lines)}


def to_rule(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as the JSON of the API."""
    body = {"name": values["name"].strip(), "channel_id": values["channel_id"], "language": values["language"]}
    body |= {"events": values["events"]} | {name: values[name] for name in _TIMES if values[name]}
    if minutes := values["digest_minutes"].strip():
        body["digest_minutes"] = number_or_text(minutes)
    only = {"status": list(values["status"])} if values["status"] else {}
    for line in filter(str.strip, values["only"].replace("\r\n", "\n").split("\n")):
        name, _, text = line.partition("=")
        only.setdefault(name.strip(), []).append(text.strip())
    return body | ({"only": only} if only else {})
