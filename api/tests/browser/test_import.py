"""A file of entries is looked at in the form before it is booked, in each encoding that Excel saves."""

import pytest
from playwright.sync_api import FilePayload

from tests.browser.conftest import OpenTab
from tests.fixtures.servers.stacks import Stack

_TEXT = "day,kind,symbol,quantity,price,fee,amount,note\r\n2025-11-04,deposit,,,,,1000,①髙島さんの給与\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_file_is_read_into_its_field(open_tab: OpenTab, stack: Stack, encoding: str) -> None:
    made = stack.api.http.post("/api/v1/portfolios", json={"name": encoding})
    tab = open_tab()
    tab.open(made.headers["location"].removeprefix("/api/v1"))
    file = FilePayload(name="trades.csv", mimeType="text/csv", buffer=_TEXT.encode(encoding))
    tab.page.set_input_files("[data-into=csv]", file)
    tab.page.wait_for_function("document.getElementById('csv').value !== ''")
    assert tab.page.input_value("#csv") == _TEXT.replace("\r\n", "\n")
    assert tab.faults == []
