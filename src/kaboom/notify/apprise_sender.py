"""Sending one message through apprise, which is imported on first use.

Apprise opens its own sockets: every address of the host is checked just before, but apprise resolves the name again. A
name server that answers differently in between is not noticed (docs/how-to/get-notified.md says so).
"""

import asyncio
import logging
import re
import threading
from typing import Any

from kaboom.drivers.http.destination import look_up
from kaboom.drivers.http.reply import Reply, unanswered
from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import UrlGuard, check_address
from kaboom.notify.apprise_urls import FIXED, MAIL, POINTER, check_apprise_url, find_target, reword

_NAME = "apprise"
#: The seconds that apprise may take to connect, and to read.
_CONNECT_S, _READ_S = 5.0, 10.0
#: The seconds for everything together; apprise's thread may end later.
_TIMEOUT_S = 20.0
#: What apprise's services keep of options for templates, headers, parameters and fields.
_ADDITIONS = ("template", "headers", "params", "payload_extras", "tokens")
_STATUS = re.compile(r"error=(\d{3})\b")


async def send_by_apprise(guard: UrlGuard, url: str, title: str, body: str, *, message_id: str) -> Reply:
    """Send a message once to a service that apprise knows; a failure of the receiver is in the reply, not raised.

    The reply has the HTTP status if apprise reports it, and 200 for a delivery.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            checked = check_apprise_url(url, guard)
            plugin = await asyncio.to_thread(load_plugin, checked.text)
            if plugin is None:
                return Reply(None, failure=f"apprise does not understand the URL of service {checked.service}")
            check_plugin(plugin)
            await _check(guard, checked.service, plugin)
            return await asyncio.to_thread(_send, plugin, title, body, message_id)
    except (InvalidRequest, OSError) as e:
        return unanswered(e, timeout_s=_TIMEOUT_S)


def check_plugin(plugin: Any) -> None:
    """Check what apprise made of a URL, whatever its parser read there.

    Raises:
        InvalidRequest: it would follow redirects, not verify certificates, read a template, or send other headers.

    """
    added = [name for name in _ADDITIONS if len(getattr(plugin, name, None) or ())]
    if plugin.redirects or not plugin.verify_certificate or added or getattr(plugin, "use_wkd", False):
        raise InvalidRequest("apprise read options in the url that channels may not have", pointer=POINTER)


async def _check(guard: UrlGuard, service: str, plugin: Any) -> None:
    """Check the address that apprise parsed from the URL, since its parser differs from ours."""
    if service in FIXED:
        return
    if service in MAIL:
        host, port, is_safe = plugin.smtp_host, plugin.port, plugin.secure_mode != "insecure"
    else:
        is_safe = service != "json"
        host, port = plugin.host, plugin.port or (443 if is_safe else 80)
    target = find_target(guard, host, port, is_mail=service in MAIL, is_safe=is_safe)
    if target.is_trusted:
        return
    for address in await look_up(target.destination.host, target.destination.port):
        try:
            check_address(address)
        except InvalidRequest as e:
            raise InvalidRequest(reword(e.message), pointer=e.pointer) from e


class _LastWords(logging.Handler):
    """Keeps only the HTTP status of apprise's log messages about a failure, since the rest may hold the URL."""

    def __init__(self) -> None:
        super().__init__()
        self.status: int | None = None
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        # Records have no thread if logging is configured to leave it out.
        if threading.get_ident() == self._thread and (found := _STATUS.search(record.getMessage())):
            self.status = int(found[1])


def load_plugin(url: str) -> Any:
    """Return apprise's object for a URL; None if apprise does not accept the URL."""
    # Log lines of apprise, and of the client that it uses, may hold the URL; Kaboom logs failures itself.
    for name in (_NAME, "urllib3"):
        log = logging.getLogger(name)
        log.propagate = False
        log.setLevel(logging.WARNING)
        if not log.handlers:
            log.addHandler(logging.NullHandler())
    import apprise  # noqa: PLC0415  0.7 s and 40 MB, for those who send only

    # A redirect would lead to an unchecked address.
    asset = apprise.AppriseAsset(app_id="Kaboom", app_desc="Kaboom", http_redirects=False)
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is not None:
        plugin.socket_connect_timeout, plugin.socket_read_timeout = _CONNECT_S, _READ_S
    return plugin


def _send(plugin: Any, title: str, body: str, message_id: str) -> Reply:
    import apprise  # noqa: PLC0415  the same

    if isinstance(getattr(plugin, "headers", None), dict):
        plugin.headers["X-Kaboom-Message"] = message_id
    words = _LastWords()
    log = logging.getLogger(_NAME)
    log.addHandler(words)
    try:
        is_sent = plugin.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
    finally:
        log.removeHandler(words)
    if is_sent:
        return Reply(200)
    return Reply(words.status, failure="apprise could not deliver it")
