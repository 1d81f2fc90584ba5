"""The places that the dashboard's navigation leads to; a new page is one line here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation.

    Attributes:
        key: its name: `nav_<key>` in the words of the shell, and what a page calls `at`.
        path: where it leads.
        icon: its symbol in the tab bar of a phone; "" where it has no place there.
        letter: the key that leads to it after `g`; "" where there is none.
        scope: what a viewer must be allowed to open it; "" where anybody may.
        is_in_more: whether the page More leads to it, for which the bar has no room.

    """

    key: str
    path: str
    icon: str = ""
    letter: str = ""
    scope: str = ""
    is_in_more: bool = False


PLACES = (
    Place("overview", "/", "t-o", "o"),
    Place("jobs", "/jobs", "t-j", "j"),
    Place("data", "/data", "t-d", "d"),
    Place("backtests", "/backtests", "t-r", "b"),
    Place("analyses", "/analyses"),
    Place("portfolios", "/portfolios", scope="portfolios:read"),
    Place("schedules", "/schedules"),
    Place("workers", "/workers"),
    Place("notifications", "/notifications", scope="admin"),
    Place("webhooks", "/webhooks", is_in_more=True),
    Place("quarantine", "/quarantine", is_in_more=True),
    Place("settings", "/settings", scope="admin", is_in_more=True),
    Place("more", "/more", "t-m"),
)
