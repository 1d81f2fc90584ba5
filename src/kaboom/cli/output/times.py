"""Times for people: JST in both languages. JSON has UTC."""

from datetime import datetime

from kaboom.market.calendar import JST


def to_jst(text: str | None, timespec: str = "minutes") -> str:
    """Return an ISO time as `2025-11-04 16:35` in Japan; empty for None; any other text is unchanged."""
    if not text:
        return ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.astimezone(JST).replace(tzinfo=None).isoformat(" ", timespec)


def to_jst_line(text: str | None, timespec: str = "minutes") -> str:
    """Return an ISO time in Japan, marked as such: `2025-11-04 16:35 JST`."""
    return f"{to_jst(text, timespec)} JST" if text else ""
