"""The bodies and queries of the routes of notifications."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, model_validator

from kaboom.jobs.api.words import CONTROL, Instant, Label
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.market.fields import WHOLE, one_of

#: A rule cannot select the event of a test.
SELECTABLE = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
#: The fields of an event's data that a rule can filter by.
type Filter = Literal[
    "status", "queue", "task", "market", "interval", "provider", "severity", "alertname", "pipeline", "screen",
]  # fmt: skip
_HHMM = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_Time = Annotated[str, Field(pattern=_HHMM, description="HH:MM in Japan")]
#: A deadline before 16:00 is rejected: no session can be complete before its close.
_Deadline = Annotated[
    str, Field(pattern=r"^(1[6-9]|2[0-3]):[0-5][0-9]$", description="HH:MM in Japan, from 16:00; for data_incomplete")
]


def _check_kind(name: str) -> EventKind:
    if name not in SELECTABLE:
        raise ValueError(f"was {name!r}, expected one of {', '.join(SELECTABLE)}")
    return EventKind(name)


_Kind = Annotated[str, Field(max_length=40), AfterValidator(_check_kind), one_of(SELECTABLE)]
_Events = Annotated[list[_Kind], Field(min_length=1, max_length=len(SELECTABLE), description="kinds of events")]
_Value = Annotated[str, Field(min_length=1, max_length=100, pattern=rf"^[^{CONTROL}]*$")]
_Only = Annotated[
    dict[Filter, Annotated[list[_Value], Field(min_length=1, max_length=20)]],
    Field(description="only events whose data has one of these values, by name"),
]
_Url = Annotated[
    str, Field(min_length=1, max_length=2048, description="an apprise URL, or https://…; never shown again")
]
_Minutes = Annotated[int, Field(ge=5, le=1440, description="gather events for so many minutes of the day"), WHOLE]


_BODY = ConfigDict(extra="forbid", strict=True)


class NewChannel(BaseModel):
    """A channel to set up."""

    model_config = _BODY

    name: Label = Field(examples=["data-ops"])
    kind: Literal["apprise", "webhook"] = Field(examples=["apprise"])
    url: _Url = Field(examples=["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#data-ops"])
    is_enabled: StrictBool = True


class ChannelChange(BaseModel):
    """The changes to a channel; fields that are missing or null do not change. A new URL keeps the kind."""

    model_config = _BODY

    name: Label | None = None
    url: _Url | None = None
    is_enabled: StrictBool | None = Field(default=None, examples=[False])


class NewRule(BaseModel):
    """A rule: which events to send, to which channel, and when."""

    model_config = _BODY

    name: Label = Field(examples=["A job failed or is partial"])
    channel_id: str = Field(pattern="^[0-9a-f]{32}$", examples=["9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"])
    events: _Events = Field(examples=[["job_ended"]])
    only: _Only = Field(default={}, examples=[{"status": ["failed", "partial"]}])
    quiet_from: _Time | None = Field(default=None, examples=["22:00"])
    quiet_until: _Time | None = Field(default=None, examples=["07:00"])
    digest_at: _Time | None = Field(default=None, description="gather events until this time of day")
    digest_minutes: _Minutes | None = None
    deadline: _Deadline | None = None
    language: Literal["ja", "en"] = Field(default="ja", examples=["ja"])
    is_enabled: StrictBool = True

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("expected both quiet_from and quiet_until, or neither")
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValueError("quiet_from and quiet_until were the same: switch the rule off instead")
        if self.digest_at is not None and self.digest_minutes is not None:
            raise ValueError("expected digest_at or digest_minutes, and not both")
        if (EventKind.DATA_INCOMPLETE in self.events) != (self.deadline is not None):
            raise ValueError("expected a deadline exactly where the events have data_incomplete")
        return self


class RuleChange(BaseModel):
    """Whether a rule is on."""

    model_config = _BODY

    is_enabled: StrictBool = Field(examples=[False])


class MessageListing(BaseModel):
    """The filter and the page of a list of messages."""

    model_config = ConfigDict(extra="forbid")

    status: list[DeliveryStatus] = Field(default=[], max_length=4)
    rule_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    channel_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)


_MOST_TEXT = 300
_Text = Annotated[str, Field(max_length=4000)]
_Texts = Annotated[dict[Annotated[str, Field(max_length=200)], _Text], Field(max_length=100)]


class Alert(BaseModel):
    """One alert; fields that are not named here are ignored."""

    status: Literal["firing", "resolved"] = Field(examples=["firing"])
    labels: _Texts = Field(default={}, examples=[{"alertname": "KaboomNoWorker", "severity": "page"}])
    annotations: _Texts = Field(
        default={}, examples=[{"summary": "no worker is online", "description": "3 messages wait"}]
    )
    startsAt: Instant = Field(examples=["2026-11-25T07:35:00Z"])  # noqa: N815  Alertmanager's name
    fingerprint: str = Field(pattern="^[0-9a-f]{1,32}$", examples=["9a1f6b4a9d8e2f3b"])


class AlertmanagerPost(BaseModel):
    """A post of Alertmanager; fields that are not named here are ignored."""

    version: Literal["4"] = Field(examples=["4"])
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
