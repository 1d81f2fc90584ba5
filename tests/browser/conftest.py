"""Debian's Chromium over a real `kaboom up`, and what it must not see: CSP reports, other hosts, errors."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.fixtures.accounts.jwts import LEGACY_SECRET
from tests.fixtures.providers.fake_openrouter import KEY, fake_openrouter
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack

CHROMIUM = os.environ.get("KABOOM_CHROMIUM", "/usr/bin/chromium")
AXE = (Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js").read_text()
#: Where screenshots go, which CI keeps.
SHOTS = Path(os.environ.get("KABOOM_SCREENSHOTS", "build/screenshots"))
#: A project that nobody asks: its sessions are signed with the legacy secret.
SUPABASE_URL = "http://127.0.0.1:9"
#: Minutes that the provider `file` has: of one symbol as they should be, of the other with a cell that is no price.
_FILES = {
    f"{symbol}.csv": "datetime,open,high,low,close,volume\n"
    f"2025-11-04 09:00,{price},2901,2899,2900,100\n"
    f"2025-11-04 09:01,2900,2901,2899,2900,100\n"
    for symbol, price in {"7203": "2900", "6758": "xyz"}.items()
}
_REPORTS = (
    "addEventListener('securitypolicyviolation', (e) => console.error(`CSP ${e.violatedDirective} ${e.blockedURI}`));"
)
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Tab:
    """One page under watch."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Open a path, and wait until nothing more is loaded."""
        self.page.goto(self.url + path, wait_until="load")
        self.page.evaluate("document.fonts.ready")

    def shoot(self, name: str) -> None:
        """Keep a screenshot of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def axe(self) -> list[str]:
        """Return the serious findings of axe."""
        self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate(
            "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", _WCAG
        )
        return [
            f"{each['id']}: {each['nodes'][0]['target']} {each['nodes'][0]['failureSummary'][:200]}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]

    def watch(self) -> None:
        """Note every report, error, and request to another host."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.faults.append(f"asked {urlsplit(request.url).netloc}")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A `kaboom up` that knows a project of Supabase, a folder of files and a fake OpenRouter."""
    with open_folder() as folder, fake_openrouter() as models:
        (folder / "files").mkdir()
        for name, text in _FILES.items():
            (folder / "files" / name).write_text(text)
        env = {
            "KABOOM_FILE_DIR": str(folder / "files"),
            "SUPABASE_URL": SUPABASE_URL,
            "SUPABASE_JWT_SECRET": LEGACY_SECRET,
            "OPENROUTER_BASE_URL": models.url,
            "OPENROUTER_API_KEY": KEY,
            "KABOOM_AI_MODELS": "good/north-4,good/spare good/kitsune-2 last/meridian liar/atlas good/five",
        }
        stack = Stack(folder / "data", env, concurrency=2)
        try:
            yield stack
        finally:
            stack.stop()


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """Give Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with launch_chromium() as browser:
        yield browser


type OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(chromium: Browser, stack: Stack) -> Iterator[OpenTab]:
    """Give tabs of a caller with the ingest token, or of nobody yet."""
    contexts: list[BrowserContext] = []

    def opened(
        *, language: str = "en", theme: str = "light", width: int = 1440, is_logged_in: bool = True, **options: Any
    ) -> Tab:
        token = {"x-ingest-token": stack.api.http.headers["x-ingest-token"]}
        context = chromium.new_context(
            locale={"ja": "ja-JP"}.get(language, "en-US"),
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
            extra_http_headers=token if is_logged_in else {},
            **options,
        )
        contexts.append(context)
        context.add_init_script(_REPORTS)
        tab = Tab(context.new_page(), stack.api.url)
        tab.watch()
        return tab

    yield opened
    for context in contexts:
        context.close()
