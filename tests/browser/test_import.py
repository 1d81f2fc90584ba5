"""The forms of a portfolio: a file is looked at before it is booked, and the reason of a refusal is in view."""

import pytest
from playwright.sync_api import FilePayload, expect

from tests.browser.conftest import OpenTab
from tests.fixtures.servers.stacks import Stack

_TEXT = "day,kind,symbol,quantity,price,fee,amount,note\r\n2025-11-04,deposit,,,,,1000,①髙島さんの給与\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_file_is_read_into_its_field(open_tab: OpenTab, stack: Stack, encoding: str) -> None:
    made = stack.api.http.post("/api/v1/portfolios", json={"name": encoding})
    tab = open_tab()
    tab.open(made.headers["location"].removeprefix("/api/v1"))
    file = FilePayload(name="trades.csv", mimeType="text/csv", buffer=_TEXT.encode(encoding))
    tab.page.set_input_files("[data-into]", file)
    tab.page.wait_for_function("document.getElementById('f-import-csv').value !== ''")
    assert tab.page.input_value("#f-import-csv") == _TEXT.replace("\r\n", "\n")
    assert tab.faults == []


def test_the_reason_of_a_refused_form_is_in_view(open_tab: OpenTab, stack: Stack) -> None:
    made, _ = [stack.api.http.post("/api/v1/portfolios", json={"name": name}) for name in ("one", "two")]
    tab = open_tab(width=390)
    tab.open(made.headers["location"].removeprefix("/api/v1"))
    tab.page.get_by_role("link", name="Rename…").click()
    form = tab.page.locator("form", has=tab.page.locator("[name=name]")).last
    form.locator("[name=name]").fill("two")
    form.locator("button").click()
    expect(tab.page.locator("[data-refused]")).to_be_in_viewport()
