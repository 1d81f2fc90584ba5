"""Webhooks of Alertmanager, version 4: a firing alert is one event, and its end is another."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.jobs.api.words import Instant
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify import examples

_MOST_TEXT = 300
_Text = Annotated[str, Field(max_length=4000)]
_Texts = Annotated[dict[Annotated[str, Field(max_length=200)], _Text], Field(max_length=100)]


class Alert(BaseModel):
    """One alert; fields that are not named here are ignored."""

    status: Literal["firing", "resolved"]
    labels: _Texts = {}
    annotations: _Texts = {}
    startsAt: Instant  # noqa: N815  Alertmanager's name
    fingerprint: str = Field(pattern="^[0-9a-f]{1,32}$")


class AlertmanagerPost(BaseModel):
    """A post of Alertmanager; fields that are not named here are ignored."""

    model_config = ConfigDict(json_schema_extra={"example": examples.ALERTS})

    version: Literal["4"]
    alerts: list[Alert] = Field(max_length=500)


def events_of(post: AlertmanagerPost, owner: str) -> list[Event]:
    """Return one event for each alert; a repeated post gives the same ids."""
    return [_event_of(alert, owner) for alert in post.alerts]


def _event_of(alert: Alert, owner: str) -> Event:
    data: dict[str, str | int] = {"status": alert.status}
    data |= _cut(alert.labels, ("alertname", "severity"))
    data |= _cut(alert.annotations, ("summary", "description"))
    began: AwareDatetime = alert.startsAt
    event_id = f"alert:{alert.fingerprint}:{began.isoformat()}:{alert.status}"
    return Event(event_id, EventKind.ALERT, began, owner, data)


def _cut(texts: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    # A text of PostgreSQL cannot contain NUL.
    return {name: texts[name][:_MOST_TEXT].replace("\0", "") for name in names if texts.get(name)}
