"""Checks on the numbers of a text: each is a cited one, with its sign and its unit; pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from batch.analysis.checks.faults import FaultCode
from batch.analysis.facts.model import unit_of

_DATE = re.compile(r"(?<![0-9])(?:([0-9]{4})[-/年])?([0-9]{1,2})[-/月]([0-9]{1,2})(?:日|(?![0-9年月日/-]))")
#: Anything that looks like a number; `_FORM` is the valid form.
_NUMBER = re.compile(r"([+-]?)([.,]?[0-9](?:[0-9.,]*[0-9])?)")
_FORM = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")
_KANJI = "〇零一二三四五六七八九十百千万億兆数半"
#: 万一 means "in case", 四半期 a quarter of a year. A single kanji is a number where a unit follows it.
_SPELLED = re.compile(
    rf"(?!万一|四半期)[{_KANJI}]{{2,}}|[{_KANJI}](?:割|倍|円|株|銘柄|パーセント|%|分の)|[0-9] ?[千万億兆割]|[0-9] ?(?:k|m|bn|mn)\b"
    r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy"
    r"|eighty|ninety|hundreds?|thousands?|millions?|billions?|trillions?|dozens?|half|halved|doubled?|twice|tripled?)\b",
    re.IGNORECASE | re.ASCII,
)
_UNITS = {
    "percent": re.compile(r" ?(?:%|percent\b|per cent\b|パーセント)", re.IGNORECASE),
    "yen": re.compile(r" ?(?:円|yen\b|JPY\b)", re.IGNORECASE),
    "shares": re.compile(r" ?(?:株|shares\b)", re.IGNORECASE),
    "times": re.compile(r" ?(?:倍|times\b|x\b)", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class Cited:
    """A number that a point cites, and the session of its row."""

    field: str
    value: float
    session: date | None


def find_numbers(plain: str, cited: Sequence[Cited]) -> Iterator[tuple[FaultCode, str]]:
    """Yield each number of a normalized text that is not a cited one, rounded as it is written.

    The session of a cited row may be written as a date, and so may the periods in the names of cited fields.
    """
    if spelled := _SPELLED.search(plain):
        yield FaultCode.NUMBER, spelled[0]
    rest = _DATE.sub(lambda found: " " if _is_session(found, cited) else found[0], plain)
    for found in _NUMBER.finditer(rest):
        if not _FORM.fullmatch(found[2]):
            yield FaultCode.NUMBER, found[0]
            continue
        before = rest[: found.start()][-1:]
        # A hyphen after a letter or a digit is not a sign.
        sign = "" if before.isascii() and before.isalnum() else found[1]
        yield from _judge(sign + found[2].replace(",", ""), rest[found.end() :], cited)


def _judge(text: str, after: str, cited: Sequence[Cited]) -> Iterator[tuple[FaultCode, str]]:
    unit = next((name for name, pattern in _UNITS.items() if pattern.match(after)), "")
    matching = [one for one in cited if _is_rounded(text, one.value)]
    if any(unit == unit_of(one.field) or not unit for one in matching):
        return
    if not unit and text in {period for one in cited for period in re.findall(r"(?<=_)[0-9]+", one.field)}:
        return
    yield (FaultCode.UNIT if matching else FaultCode.NUMBER), text + after[:3]


def _is_rounded(text: str, value: float) -> bool:
    """Whether a text is a number, rounded to the decimals that the text has; a negative one needs its sign."""
    written, exact = Decimal(text), Decimal(repr(value))
    step = Decimal(1).scaleb(int(written.as_tuple().exponent))
    return any(written == exact.quantize(step, rounding) for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN))


def _is_session(found: re.Match[str], cited: Sequence[Cited]) -> bool:
    year, month, day = found[1], int(found[2]), int(found[3])
    return any(
        one.session is not None
        and (one.session.month, one.session.day) == (month, day)
        and (year is None or int(year) == one.session.year)
        for one in cited
    )
