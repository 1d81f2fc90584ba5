"""From the map of coverage to the candles of a session, by pointer and by keys; filters survive a reload."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenTab, Tab
from tests.fixtures.servers.stacks import Stack

MAP, CELLS, CARD = "#map:not([hidden])", ".map-cells", "#map .tip"
DETAILS = "**/api/v1/coverage/cells/**"
_REDRAW = """() => {
  const start = performance.now();
  document.dispatchEvent(new Event('redraw'));
  return performance.now() - start;
}"""

_CELLS_COUNTED = """() => [...document.querySelectorAll('.states .num')]
  .reduce((sum, each) => sum + Number(each.textContent.replaceAll(',', '')), 0)"""


@pytest.fixture(scope="module", autouse=True)
def ended(stack: Stack) -> str:
    """The id of a job that has taken some sessions of a few symbols."""
    job_id = stack.api.submit(intervals={"1m": 3, "1d": 60}, symbols=["6758", "7203", "9984"])
    assert stack.api.wait(job_id)["status"] == "completed"
    return job_id


def open_map(tab: Tab, query: str = "") -> Page:
    tab.open(f"/data?provider=synthetic{query}")
    tab.page.wait_for_selector(MAP)
    return tab.page


def test_the_map_leads_to_candles_by_keys(open_tab: OpenTab) -> None:
    tab = open_tab()
    # Of a symbol that has daily bars, too: other tests take minutes of the whole market.
    page = open_map(tab, "&rows=14&q=7203")
    page.focus(CELLS)
    # The newest session has not closed yet on the morning of a trading day.
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    name = re.compile(r"^7203 TOYOTA MOTOR CORPORATION, \d{4}-\d\d-\d\d: ")
    expect(page.locator("#map [role=status]")).to_have_text(name)
    expect(page.locator(CARD)).to_contain_text("Requested")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/symbols/[0-9A-Z]{4}\?interval=1m&session=\d{4}-\d\d-\d\d&provider=synthetic"))
    page.wait_for_selector("#candles:not([hidden])")
    here = page.url
    page.keyboard.press("[")
    page.wait_for_url(lambda url: url != here)
    page.keyboard.press("5")
    page.wait_for_url(re.compile("interval=1d"))
    page.wait_for_selector("#candles:not([hidden])")
    assert tab.faults == []


def test_a_late_answer_leaves_the_card_of_another_cell_alone(open_tab: OpenTab) -> None:
    page = open_map(open_tab(), "&rows=14&q=7203")
    held: list[Route] = []

    def answer(route: Route) -> None:
        if held:
            route.fulfill(json={"items": [{"bars": 22_222, "expected": None, "asked_at": None}]})
        else:
            held.append(route)

    page.route(DETAILS, answer)
    page.focus(CELLS)
    for _ in range(2):
        with page.expect_request(DETAILS):
            page.keyboard.press("ArrowLeft")
    expect(page.locator(CARD)).to_contain_text("22,222")
    with page.expect_response(held[0].request.url):
        held[0].fulfill(json={"items": [{"bars": 11_111, "expected": None, "asked_at": None}]})
    # What is asked afterwards is answered afterwards.
    page.evaluate("fetch('/healthz').then((answer) => answer.text())")
    expect(page.locator(CARD)).to_contain_text("22,222")


def test_a_symbol_that_was_searched_for_opens_with_enter(open_tab: OpenTab) -> None:
    tab = open_tab()
    page = open_map(tab)
    page.keyboard.press("f")
    page.keyboard.type("toyota motor corp")
    # One row is a few lines high, not as high as the map; counts are about it.
    expect(page.locator(CELLS)).to_have_js_property("offsetHeight", 144)
    expect(page.locator("#found")).to_have_text(re.compile(r"^1 of [\d,]+ rows$"))
    assert page.evaluate(_CELLS_COUNTED) <= 250
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/symbols/7203\?interval=1m&session=\d{4}-\d\d-\d\d&provider=synthetic"))
    page.wait_for_selector("#candles:not([hidden])")
    assert tab.faults == []


def test_indicators_symbols_and_neighbours_are_a_click_or_a_key_away(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("/symbols/7203?interval=1d")
    page = tab.page
    page.wait_for_selector("#candles:not([hidden])")
    low = page.locator(".plot").bounding_box()
    page.click("text=RSI")
    page.wait_for_url(re.compile(r"/symbols/7203\?interval=1d&show=sma\.vma\.rsi$"))
    page.wait_for_selector("#candles:not([hidden])")
    expect(page.locator("[data-line='4']")).to_have_text(re.compile(r"^\d+(\.\d+)?$"))
    high = page.locator(".plot").bounding_box()
    assert low
    assert high
    assert high["height"] > low["height"] + 100
    # The average under the pointer is that of its bar.
    last = page.locator("[data-line='0']").inner_text()
    page.mouse.move(high["x"] + high["width"] / 3, high["y"] + 100)
    expect(page.locator("[data-line='0']")).not_to_have_text(last)
    page.fill("#compare", "6758")
    page.press("#compare", "Enter")
    page.wait_for_url(re.compile("compare=6758"))
    page.wait_for_selector("#candles:not([hidden])")
    expect(page.locator(".legend").first).to_contain_text("SONY GROUP CORPORATION")
    expect(page.locator("#beside")).to_contain_text("HONDA MOTOR")
    assert tab.axe() == []
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/symbols/72\d\d$"))
    page.wait_for_selector("#beside [data-key=p]")
    page.keyboard.press("p")
    page.wait_for_url(re.compile("/symbols/7203$"))
    # What was switched on is switched on there, too.
    page.goto(page.url + "?interval=1d")
    expect(page.locator(".studies [aria-current]", has_text="RSI")).to_have_count(1)
    assert tab.faults == []


def test_a_symbol_is_found_from_every_page_by_its_name(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("/more")
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("トヨタ自動")
    tab.page.wait_for_selector("#symbol-options li")
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(re.compile("/symbols/7203$"))
    tab.open("/backtests/new")
    tab.page.fill("[name=symbols]", "6758, ")
    tab.page.keyboard.type("toyota mot")
    tab.page.wait_for_selector("#symbol-options li")
    assert tab.axe() == []
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("[name=symbols]")).to_have_value("6758, 7203")
    assert tab.faults == []


def test_a_refused_form_begins_at_its_first_wrong_field(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("/schedules/new")
    tab.page.fill("[name=max_late_h]", "soon")
    tab.page.fill("[name=name]", "")
    tab.page.click("main .btn-main")
    expect(tab.page.locator("[name=name]")).to_be_focused()
    expect(tab.page.locator("[aria-invalid=true]")).to_have_count(2)
    assert tab.axe() == []


def test_filters_of_the_map_survive_a_reload(open_tab: OpenTab) -> None:
    tab = open_tab()
    page = open_map(tab)
    page.uncheck("[data-state=complete]")
    page.select_option("[name=group]", "worst")
    page.fill("#filters [name=q]", "7203")
    page.reload()
    page.wait_for_selector(MAP)
    assert not page.is_checked("[data-state=complete]")
    assert page.is_checked("[data-state=missing]")
    assert page.input_value("[name=group]") == "worst"
    assert page.input_value("#filters [name=q]") == "7203"
    assert tab.faults == []


def test_a_backfill_is_previewed_in_a_dialog(open_tab: OpenTab) -> None:
    tab = open_tab()
    # Of a whole market far more is missing than the few symbols that are stored.
    tab.open("/data?market=TSE_PRIME")
    page = tab.page
    counted = page.inner_text("button:text-matches('^Fetch [0-9,]+ symbol sessions…$')").removesuffix("…")
    page.click(f"text={counted}")
    page.wait_for_selector("dialog#preview[open] form")
    assert "kaboom ingest backfill" in page.inner_text("dialog#preview")
    assert page.inner_text("dialog#preview button.btn-main") == counted
    page.click("dialog#preview [data-act=close]")
    assert page.url.endswith("/data?market=TSE_PRIME")
    assert tab.faults == []


def test_the_map_is_drawn_in_200_ms(open_tab: OpenTab) -> None:
    page = open_map(open_tab())
    assert min(page.evaluate(_REDRAW) for _ in range(5)) < 200


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    "path", ["/data", "/symbols/7203", "/symbols/7203?interval=1d&adjusted=true", "/symbols/1301?interval=1h"]
)
def test_a_page_of_bars_is_sound(open_tab: OpenTab, path: str, language: str, theme: str, width: int) -> None:
    tab = open_tab(language=language, theme=theme, width=width)
    tab.open(path)
    if "1301" not in path:
        tab.page.wait_for_selector(f"{MAP}, #candles:not([hidden])")
    tab.shoot(f"{re.sub('[^0-9a-z]+', '-', path.strip('/'))}-{language}-{theme}-{width}")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.axe() == []
    assert tab.faults == []
