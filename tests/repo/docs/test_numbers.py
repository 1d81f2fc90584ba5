"""Numbers that pages repeat are those of the code."""

import importlib
import re
from datetime import timedelta

import pytest

from kaboom.cli.stack.whole import choose_port
from kaboom.jobs.api.job_list import SEARCHED_JOBS
from kaboom.providers.registry import get_provider_spec, provider_names
from kaboom.settings import AppSettings
from tests.fixtures.repo.repository import load_text

_TIMERS = re.findall(
    r"^\| [^|]+ \| (?P<cell>[^|]+) \| `(?P<name>\w+)`, `src/kaboom/(?P<path>[\w/]+)\.py` \|$",
    load_text("docs/reference/queues.md"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("cell", "name", "path"), _TIMERS, ids=[name for _, name, _ in _TIMERS])
def test_a_timer_of_the_queues_page_is_the_codes(cell: str, name: str, path: str) -> None:
    value = getattr(importlib.import_module(f"kaboom.{path.replace('/', '.')}"), name)
    assert f"{value:g}" in re.findall(r"[\d.]+", cell)


def test_the_queues_page_has_timers() -> None:
    assert len(_TIMERS) >= 8


def test_a_page_of_a_search_reads_as_many_jobs_as_the_pages_say() -> None:
    reference, sizes = load_text("docs/reference/queues.md"), load_text("docs/operations/beyond-one-machine.md")
    said = [*re.findall(r"looks at ([\d,]+) jobs", reference), *re.findall(r"reads \[([\d,]+)\]", sizes)]
    assert said == [f"{SEARCHED_JOBS:,}"] * 2


def test_delays_of_providers_are_the_registrys() -> None:
    section = load_text("docs/how-to/repair-gaps.md").split("| provider | delay |")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (none|\d+ (?:minutes?|hour))", section, re.MULTILINE))
    words = {"none": timedelta(0), "1 minute": timedelta(minutes=1), "1 hour": timedelta(hours=1)}
    written = {
        name: words.get(text) or timedelta(minutes=int(re.sub(r"\D", "", text) or 0)) for name, text in rows.items()
    }
    assert written == {name: get_provider_spec(name).capabilities.delay for name in provider_names()}, (
        "give each provider a row with its delay in docs/how-to/repair-gaps.md"
    )


def test_security_and_readmes_give_the_default_limits() -> None:
    fields = AppSettings.model_fields
    write, read, anonymous = (fields[f"rate_limit_{name}"].default for name in ("write", "read", "anonymous"))
    counts = [int(str(limit).split("/")[0]) for limit in (write, read, anonymous)]
    assert "{:,} writes and {:,} reads for a user or token, {:,} requests".format(*counts) in load_text("SECURITY.md")


def test_the_port_of_the_pages_is_the_default() -> None:
    (port,) = choose_port.__defaults__ or ()
    for page in ("docs/tutorial/tour.md", "docs/tutorial/tour.ja.md", "docs/how-to/read-bars.md"):
        assert set(re.findall(r"http://127\.0\.0\.1:(\d+)/api", load_text(page))) == {str(port)}
