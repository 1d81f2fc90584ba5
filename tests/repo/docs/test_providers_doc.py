"""The page on providers tells what the registry and the code have."""

import re

from kaboom.domain_settings import BatchSettings
from kaboom.market.interval import Interval
from kaboom.providers.registry import get_provider_spec, provider_names
from tests.fixtures.repo.repository import load_changelog, load_text

PAGE = load_text("docs/reference/providers.md")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_provider_has_its_row() -> None:
    assert tuple(ROWS) == provider_names(), "give each a row in docs/reference/providers.md, in the registry's order"


def test_the_rows_tell_how_far_back() -> None:
    for name, row in ROWS.items():
        told = re.findall(r"intraday (\d+) days", row)
        reach = get_provider_spec(name).capabilities.reach_days
        assert [int(days) for days in told] == sorted(set(reach.values()))
        assert set(reach) in (set(), {interval for interval in Interval if interval.is_intraday})


def test_the_rows_state_live_bars_and_symbol_lists() -> None:
    for name, row in ROWS.items():
        spec = get_provider_spec(name)
        live, master = row.split(" | ")[3:5]
        minutes = round(spec.capabilities.delay.total_seconds() / 60)
        late = f"live, {minutes} minute{'s' if minutes > 1 else ''} late"
        assert live == (late if spec.capabilities.is_live else "no")
        assert master == ("yes" if spec.has_master else "no")


def test_the_rows_tell_what_turns_a_provider_on() -> None:
    settings = BatchSettings()
    for name, row in ROWS.items():
        if lacking := settings.lacking_for(name):
            (setting,) = re.findall(r"`([A-Z_]+)(?:=true)?`", row)
            assert setting in lacking


def test_every_provider_under_terms_has_a_section_with_them() -> None:
    for name in provider_names():
        if terms := get_provider_spec(name).terms:
            _, found, rest = PAGE.partition(f"\n## {name}\n")
            assert found, f"give {name} a section with its terms in docs/reference/providers.md"
            section = rest.split("\n## ")[0]
            assert terms.url in section
            assert "**Terms:**" in section
            assert "The real service was not tried." in section


def test_the_changelog_names_each_provider() -> None:
    told = load_changelog()
    missing = {name for name in provider_names() if not re.search(rf"`{name}\b", told)}
    assert missing == set(), "say what is new for users in a file of changes/"
