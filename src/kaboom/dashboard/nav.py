"""The entries of the dashboard's navigation; a new page needs one line here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation.

    Attributes:
        key: its name: `nav_<key>` in the shell's catalogue, and the value of `at` in its pages.
        path: the path of the page.
        icon: its icon in the tab bar of a phone; "" if it is not in the tab bar.
        letter: the key that opens it after `g`; "" if it has none.
        scope: the scope that a viewer needs to open it; "" if it needs none.
        is_in_more: whether it is on the page More, because the navigation bar has no room for it.

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
