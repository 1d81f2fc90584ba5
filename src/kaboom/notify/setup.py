"""Check and encrypt the URL of a channel; it is never shown again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from kaboom.drivers.clock import utc_now
from kaboom.drivers.encryption import Sealer, parse_sealer
from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import CallbackRules
from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify.apprise_urls import check_apprise_url, reword
from kaboom.notify.model import Channel, ChannelKind, Message

if TYPE_CHECKING:
    from kaboom.settings import AppSettings

_POINTER = "/url"


@dataclass(frozen=True, slots=True)
class SealedUrl:
    """The stored URL of a channel: service and host as plain text for display, and the whole URL encrypted."""

    service: str
    host: str
    sealed: bytes


def build_sealer(settings: "AppSettings") -> Sealer | None:
    """Return the sealer of channel URLs; None if KABOOM_NOTIFICATION_KEY is not set.

    Raises:
        ConfigurationError: a key is too short.

    """
    return parse_sealer(settings.notification_key.get_secret_value()) if settings.notification_key else None


async def seal_url(kind: ChannelKind, url: str, sealer: Sealer | None, rules: CallbackRules) -> SealedUrl:
    """Check the URL of a channel, and seal it.

    Raises:
        InvalidRequest: no key is set, or the URL is not allowed; the error does not show the URL.

    """
    if sealer is None:
        raise InvalidRequest(
            "this Kaboom keeps no channels: its operator sets KABOOM_NOTIFICATION_KEY", pointer=_POINTER
        )
    if kind is ChannelKind.WEBHOOK:
        try:
            await rules.check(url)
        except InvalidRequest as e:
            raise InvalidRequest(reword(e.message), pointer=_POINTER) from e
        return SealedUrl("webhook", urlsplit(url).hostname or "", sealer.seal(url))
    found = check_apprise_url(url, rules.guard)
    return SealedUrl(found.service, found.host, sealer.seal(found.text))


def make_test(owner: str, channel: Channel, language: Literal["en", "ja"]) -> tuple[Message, Event]:
    """Return a message that tests a channel, due now, with its event."""
    now, test_id = utc_now(), uuid4().hex
    event = Event(f"test:{test_id}", EventKind.TEST, now, owner, {"channel": channel.name})
    message = Message(
        message_id=f"msg_{test_id}",
        owner=owner,
        channel_id=channel.channel_id,
        key=event.event_id,
        event_ids=(event.event_id,),
        language=language,
        next_attempt_at=now,
    )
    return message, event
