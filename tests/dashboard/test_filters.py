"""The filters of the templates in both languages: numbers, times in Japan, dates and durations."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kaboom.dashboard.environment import build_environment

#: 11:00 of Friday, 27 November, in Japan.
NOW = datetime(2026, 11, 27, 2, tzinfo=UTC)
ENVIRONMENT = build_environment(static=str, release="1")


def show(language: str, value: Any, name: str, *arguments: Any) -> str:
    """Return what a template shows of a value, without tags."""
    template = ENVIRONMENT.from_string(f"{{{{ value|{name}(*arguments) }}}}")
    text = template.render(lang=language, now=NOW, value=value, arguments=arguments)
    return re.sub("<[^>]*>", "", text)


@pytest.mark.parametrize(
    ("name", "value", "english", "japanese"),
    [
        ("short_day", "2026-11-27", "27 Nov", "11/27"),
        ("short_day", date(2026, 1, 2), "2 Jan", "1/2"),
        ("short_day", None, "–", "–"),
        ("day", "2026-11-29", "Sunday, 29 November 2026", "2026年11月29日（日）"),
        ("day", date(2026, 1, 5), "Monday, 5 January 2026", "2026年1月5日（月）"),
        ("instant", "2026-11-26T15:00:01Z", "27 Nov 00:00:01", "11/27 00:00:01"),
        ("instant", "2026-11-26T14:59:59Z", "26 Nov 23:59:59", "11/26 23:59:59"),
        ("instant", "2025-12-31T14:59:59Z", "2025-12-31 23:59:59", "2025-12-31 23:59:59"),
        ("clock", "2026-11-27T01:02:03Z", "10:02:03", "10:02:03"),
        ("clock_ms", "2026-11-27T01:02:03.0459Z", "10:02:03.045", "10:02:03.045"),
        ("iso", "2026-11-27T10:02:03+09:00", "2026-11-27T01:02:03Z", "2026-11-27T01:02:03Z"),
        ("duration", 0.04, "0 s", "0秒"),
        ("duration", 9.96, "10 s", "10秒"),
        ("duration", 59.4, "59 s", "59秒"),
        ("duration", 78, "1 min 18 s", "1分18秒"),
        ("duration", 3_600, "1 h", "1時間"),
        ("duration", 90_061, "1 d 1 h", "1日1時間"),
    ],
)
def test_a_value_is_shown_in_each_language(name: str, value: Any, english: str, japanese: str) -> None:
    assert (show("en", value, name), show("ja", value, name)) == (english, japanese)


@pytest.mark.parametrize(
    ("low", "high", "english", "japanese"),
    [
        (55, 75, "55–75 s", "55～75秒"),
        (55.9, 119.9, "55–120 s", "55～120秒"),
        (55, 120, "0–2 min", "0～2分"),
        (60, 170, "1–3 min", "1～3分"),
        (0, 0.2, "0–1 s", "0～1秒"),
        (75, 75, "75 s", "75秒"),
        (None, 75, "–", "–"),
    ],
)
def test_a_range_has_one_unit(low: float | None, high: float, english: str, japanese: str) -> None:
    assert (show("en", low, "span", high), show("ja", low, "span", high)) == (english, japanese)


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1651, 1651, "100"), (1650, 1651, "99.9"), (1, 3, "33.3"), (0, 3, "0.0"), (1, 5_000, "<0.1"), (1, 0, "–")],
)
def test_only_the_whole_is_a_hundred_percent(part: float, whole: float, shown: str) -> None:
    assert show("en", part, "percent", whole) == shown.replace("<", "&lt;")


@pytest.mark.parametrize(
    ("value", "shown"), [(1651, "1,651"), (99.96, "100.0"), (100.4, "100"), (21.25, "21.2"), (-1234.5, "-1,234")]
)
def test_a_number_has_separators_and_few_decimals(value: float, shown: str) -> None:
    assert show("en", value, "number") == shown
    assert (show("en", value, "unit", "s"), show("ja", value, "unit", "秒")) == (f"{shown} s", f"{shown}秒")
