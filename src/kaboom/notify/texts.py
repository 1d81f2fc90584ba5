"""The text of a message, in English or Japanese; pure, so that each attempt has the same text."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kaboom.drivers.printable import clean
from kaboom.jobs.model import Queue
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.market.calendar import JST
from kaboom.notify.model import Message
from kaboom.text.catalogue import Language, gettext
from kaboom.text.disclaimer import disclaimer
from kaboom.text.tables import say_title
from kaboom.text.translate import translate

#: The most events that a digest lists.
MOST_LISTED = 20
_MOST_TEXT = 300
#: Matches mentions in a chat, such as `@everyone`; texts of others must not notify people.
_MENTION = re.compile(r"[@<](?=everyone|here|channel|[!@&#])")
#: An invisible character that breaks a mention.
_NO_JOINER = "\N{WORD JOINER}"


@dataclass(frozen=True, slots=True)
class Text:
    """A message as a person reads it."""

    title: str
    body: str


def write_text(message: Message, events: Sequence[Event], *, site: str = "") -> Text:
    """Return the text of a message with these events.

    `site` is where people reach the dashboard; without it a message names the command that shows its job.
    """
    language = message.language
    if not events:
        return Text(f"[Kaboom] {message.rule_name}", gettext("the event is no longer kept", language))
    parts = [title_of(events[0], language), *_lines(events[0], language, site.rstrip("/"))]
    if len(events) > 1:
        rule = _safe(message.rule_name)
        parts = [gettext("{rule}: {count} events", language).format(rule=rule, count=len(events))]
        parts += [f"{_at(event)} {title_of(event, language)}" for event in events[:MOST_LISTED]]
        if len(events) > MOST_LISTED:
            parts.append(gettext("and {count} more", language).format(count=len(events) - MOST_LISTED))
    if judged := [event for event in events if event.data.get("queue") == Queue.AI_ANALYSIS]:
        is_simulated = any(event.data.get("kind") == "backtest" for event in judged)
        parts += ["", disclaimer(language, is_of_backtest=is_simulated, is_by_models=None)]
    return Text(f"[Kaboom] {parts[0]}", "\n".join(parts[1:]))


def title_of(event: Event, language: Language) -> str:
    """Return the title of an event."""
    return _say("event_title", event, _values(event, language), language)


def write_body(message: Message, events: Sequence[Event], text: Text) -> str:
    """Return the JSON of a signed webhook; the same at each attempt."""
    shown = [
        {"id": each.event_id, "kind": each.kind.value, "at": each.at.isoformat(), "data": dict(each.data)}
        for each in events
    ]
    body = {
        "type": "kaboom.notification",
        "timestamp": message.created_at.isoformat() if message.created_at else None,
        "data": {"rule": message.rule_name, "title": text.title, "text": text.body, "events": shown},
    }
    return orjson.dumps(body).decode()


def _lines(event: Event, language: Language, site: str) -> list[str]:
    values = _values(event, language)
    at = gettext("Time: {at}", language).format(at=_at(event))
    lines = [_say("event_body", event, values, language).strip(), at]
    if event.data.get("job_id"):
        queue = str(values.get("queue")).replace("_", "-")
        values["url"] = f"{site}/jobs/{queue}/{values['job_id']}"
        link = gettext("Job: {url}" if site else "See: kaboom jobs show {job_id}", language)
        lines.append(link.format_map(values))
    return [line for line in lines if line]


def _at(event: Event) -> str:
    return f"{event.at.astimezone(JST):%Y-%m-%d %H:%M} JST"


def _key(event: Event) -> str:
    if event.kind is EventKind.ALERT:
        return "alert_resolved" if event.data.get("status") == "resolved" else "alert_firing"
    return event.kind.value


def _values(event: Event, language: Language) -> dict[str, Any]:
    values: dict[str, Any] = {name: _safe(str(value)) for name, value in event.data.items()}
    values["short"] = str(event.data.get("job_id", ""))[:8]
    if event.kind in {EventKind.JOB_ENDED, EventKind.PIPELINE_ENDED} and "status" in values:
        values["status"] = gettext(values["status"], language, f"job {values['status']}")
    for name in ("reason", "error"):
        values[name] = translate(values.get(name, ""), language)
    # A job without items has none that could be done.
    items = gettext("{done} of {total} done, {failed} failed.", language)
    values["items"] = _fill(items, values) if event.data.get("total") else ""
    return values


def _say(kind: str, event: Event, values: Mapping[str, Any], language: Language) -> str:
    return _fill(say_title(kind, _key(event), language), values)


def _fill(text: str, values: Mapping[str, Any]) -> str:
    # A field that an earlier version did not write is `-`.
    return text.format_map(defaultdict(lambda: "-", values))


def _safe(text: str) -> str:
    """Return a text of others in one line, shortened, and without mentions."""
    short = clean(text)[:_MOST_TEXT]
    return _MENTION.sub(lambda found: found[0] + _NO_JOINER, short)
