"""The site of the pages, as a reader's browser shows it from a server of files."""

import contextlib
import re
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from docs.site import build
from docs.site.build import Site
from playwright.sync_api import Browser
from playwright.sync_api import TimeoutError as NotSeen

from tests.browser.conftest import Tab, launch_chromium

#: What a reader looks for → where the first answer stands.
SEARCHES = {
    ("", "backfill"): "backfill",
    ("", "rotate token"): "rotate",
    ("", "unknown symbol"): "symbol",
    ("ja/", "銘柄"): "銘柄",
    ("ja/", "権利落ち"): "権利落ち",
}
PAGES = [
    "",
    "all-pages/",
    "how-to/use-your-own-files/",
    "explanation/architecture/",
    "tutorial/first-day/",
    "decisions/",
    "ja/",
]


class Silent(SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *_: object) -> None:
        """Drop the line."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without an address of the repository."""
    out = tmp_path_factory.mktemp("site") / "site"
    build.build(out)
    return out


@pytest.fixture(scope="session")
def url(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with launch_chromium() as browser:
        yield browser


@pytest.fixture
def tab(chromium: Browser, url: str) -> Iterator[Tab]:
    context = chromium.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
    tab = Tab(context.new_page(), url)
    tab.watch()
    yield tab
    context.close()


class Prose(HTMLParser):
    """The text of a page outside its code."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.depth += tag in {"code", "pre", "script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in {"code", "pre", "script", "style"}

    def handle_data(self, data: str) -> None:
        self.text += "" if self.depth else data


def read_prose(page: Path) -> str:
    prose = Prose()
    prose.feed(page.read_text())
    return prose.text


def test_no_block_of_code_is_shown_as_text(folder: Path) -> None:
    pages = sorted(folder.rglob("index.html"))
    assert len(pages) > 150
    assert [page for page in pages if re.search(r"```|~~~", read_prose(page))] == []


def test_steps_around_blocks_are_counted_on(folder: Path) -> None:
    page = (folder / "how-to/use-your-own-files/index.html").read_text()
    (first, *_) = re.findall(r"<ol>(.*?)</ol>", page, re.DOTALL)
    assert first.count("<li>") >= 5


def test_a_notebook_is_a_page_with_its_code(folder: Path) -> None:
    page = (folder / "tutorial/first-day/index.html").read_text()
    assert "<h1" in page
    assert "kaboom" in page
    assert '"cell_type"' not in page


@pytest.mark.parametrize("path", PAGES)
def test_pages_ask_no_other_host_and_log_no_error(tab: Tab, path: str) -> None:
    tab.open(path)
    assert tab.page.locator("h1").count() == 1
    assert tab.faults == []


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_a_telephone(tab: Tab, path: str) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open(path)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("language", "words"), SEARCHES)
def test_search_finds_what_readers_look_for(tab: Tab, language: str, words: str) -> None:
    tab.open(language)
    # The page hears the key once its script has run.
    tab.page.wait_for_load_state("networkidle")
    box = tab.page.get_by_role("combobox")
    for _ in range(10):
        tab.page.keyboard.press("Control+k")
        with contextlib.suppress(NotSeen):
            box.wait_for(timeout=3000)
            break
    box.fill(words)
    first = tab.page.locator("a[href*='?h=']").first
    assert SEARCHES[language, words] in first.inner_text()
    first.click()
    tab.page.wait_for_url(re.compile(r"\?h="))


def test_a_page_leads_to_its_translation_and_back(tab: Tab) -> None:
    tab.open("tutorial/tour/")
    tab.page.locator("article").get_by_role("link", name="日本語").click()
    tab.page.wait_for_url(re.compile("/ja/tutorial/tour/"))
    assert tab.page.locator("html").get_attribute("lang") == "ja"
    tab.page.locator("article").get_by_role("link", name="English").click()
    tab.page.wait_for_url(re.compile(r":\d+/tutorial/tour/"))


def test_links_to_the_other_language_lead_to_its_pages_below_any_address(folder: Path) -> None:
    pages = sorted(folder.rglob("index.html"))
    links = [
        (page, href)
        for page in pages
        for href in re.findall(r'<a href="([^"#]*)[^"]*" target="_self">', page.read_text())
    ]
    assert len(links) > 40
    assert [(page, href) for page, href in links if not (page.parent / href / "index.html").resolve().is_file()] == []


@pytest.mark.parametrize(("language", "name", "end"), [("", "日本語", "/ja/"), ("ja/", "English", "/")])
def test_the_head_leads_to_the_other_language(tab: Tab, language: str, name: str, end: str) -> None:
    tab.open(language)
    link = tab.page.locator("header").get_by_role("link", name=name, include_hidden=True)
    assert link.evaluate("link => new URL(link.href).pathname") == end


SITE = Site(
    "en",
    {"README.md": "index.md", "docs/how-to/read-bars.md": "how-to/read-bars.md"},
    {"README.ja.md": "index.md", "docs/how-to/read-bars.ja.md": "how-to/read-bars.md"},
    "",
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[bars](docs/how-to/read-bars.md#days)", "[bars](how-to/read-bars.md#days)"),
        ("[there](https://example.invalid/x)", "[there](https://example.invalid/x)"),
        ("[here](#try-it)", "[here](#try-it)"),
        ("[足](docs/how-to/read-bars.ja.md)", '<a href="./ja/how-to/read-bars/" target="_self">足</a>'),
        ("[roles](infra/database/roles.sql)", "roles"),
        ("![overview](docs/images/overview-en.png)", "![overview](images/overview-en.png)"),
        ("```python\nx[0](docs/how-to/read-bars.md)\n```\n", "```python\nx[0](docs/how-to/read-bars.md)\n```\n"),
    ],
)
def test_a_link_leads_where_its_target_is_on_the_site(written: str, shown: str) -> None:
    assert SITE.rewrite("README.md", written) == shown


def test_links_to_code_lead_to_the_repository() -> None:
    site = Site("en", {"docs/a.md": "a.md"}, {}, "https://git.invalid/team/kaboom")
    link = site.rewrite("docs/a.md", "[roles](../infra/database/roles.sql)")
    assert link == "[roles](https://git.invalid/team/kaboom/blob/main/infra/database/roles.sql)"
