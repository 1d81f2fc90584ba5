"""The top bar of an admin who is logged in holds on one line at every width, to its last button."""

import pytest

from tests.browser.conftest import OpenTab, Tab
from tests.fixtures.servers.stacks import Stack

USER, PASSWORD = "admin", "correct horse battery staple"
#: Phones, tablets, and both sides of each width at which the bar changes.
WIDTHS = (390, 768, 769, 1008, 1009, 1024, 1200, 1201, 1300, 1344, 1345, 1440, 1536, 1537, 1920)
_LANGUAGES = ("en", "ja")
#: What of the bar is outside of the window, or over what stands before it.
_FAULTS = """() => {
  const parts = [...document.querySelectorAll('.bar > .brand, .nav > a, .bar-end > *')]
    .map((each) => ({ text: each.innerText.trim(), box: each.getBoundingClientRect() }))
    .filter(({ box }) => box.width);
  const outside = parts.filter(({ box }) => box.left < 0 || box.right > innerWidth);
  const over = parts.slice(1).filter(({ box }, i) => box.left < parts[i].box.right - 0.5);
  return [...outside, ...over].map(({ text }) => text);
}"""


@pytest.fixture(scope="module", autouse=True)
def user(stack: Stack) -> None:
    """Give the first user, whom every page is open to, a password that is known."""
    users = stack.api.http.get("/api/v1/users").json()["items"]
    (admin,) = [each["id"] for each in users if each["name"] == USER]
    stack.api.http.patch(f"/api/v1/users/{admin}", json={"password": PASSWORD}).raise_for_status()


@pytest.fixture(params=_LANGUAGES)
def tab(request: pytest.FixtureRequest, open_tab: OpenTab) -> Tab:
    """A tab of the admin."""
    tab = open_tab(language=request.param, is_logged_in=False)
    tab.open("/login")
    tab.page.fill("input[name=user]", USER)
    tab.page.fill("input[name=password]", PASSWORD)
    tab.page.click("main button[type=submit]")
    # It names the state of the connection as soon as there is one.
    tab.page.wait_for_selector("#live:not([hidden])", state="attached")
    return tab


def test_the_bar_of_an_admin_is_cut_off_at_no_width(tab: Tab) -> None:
    faults: dict[int, list[str]] = {}
    for width in WIDTHS:
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.page.wait_for_function("(width) => innerWidth === width", arg=width)
        tab.shoot(f"bar-{tab.page.get_attribute('html', 'lang')}-{width}")
        if found := tab.page.evaluate(_FAULTS):
            faults[width] = found
    assert faults == {}
