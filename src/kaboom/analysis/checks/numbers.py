"""Faults of an answer, and checks on the numbers of a text: each is a cited one, with its sign and its unit; pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum

from kaboom.analysis.facts.model import unit_of
from kaboom.drivers.printable import clean

_MOST_LETTERS = 60


class FaultCode(StrEnum):
    """A reason to refuse an answer."""

    SCHEMA = "schema"  # not JSON in the requested form
    SUBJECT = "subject"  # about another symbol or job
    VERDICT = "verdict"  # a verdict of another kind of analysis, or one that the numbers refute
    SOURCE = "source"  # a claim cites a row or a field that does not exist
    VALUE = "value"  # a claim has another number than its source row
    NUMBER = "number"  # a number in the text is not a claim of its point
    UNIT = "unit"  # a number in the text has another unit than its field
    DIRECTION = "direction"  # a rise, a fall or a comparison that the cited numbers do not show
    LETTERS = "letters"  # markup, control characters, or letters of other scripts
    LINK = "link"  # an address
    ADVICE = "advice"  # a recommendation, or something called certain


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason: its code, the place in the answer as a JSON pointer, and the printable text found there."""

    code: FaultCode
    where: str
    found: str

    @property
    def words(self) -> str:
        """The fault in one line."""
        return f"{self.code} at {self.where or '/'}: {clean(self.found[:_MOST_LETTERS])}"


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
#: What follows a number that is a length of time, such as 25 in "the 25-session average".
_PERIOD = re.compile(r"[- ]?(?:sessions?|days?)\b|日|立会日", re.IGNORECASE | re.ASCII)
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


@dataclass(frozen=True, slots=True)
class Written:
    """A cited number and where a text has it."""

    start: int
    end: int
    cited: Cited


def find_cited(plain: str, cited: Sequence[Cited]) -> Iterator[Written]:
    """Yield the numbers of a normalized text that are values of cited fields, in the order of the text."""
    for start, text in _read(_hide_sessions(plain, cited)):
        end = start + len(text)
        if not _FORM.fullmatch(text.lstrip("+-")) or _PERIOD.match(plain[end:]):
            continue
        number, unit = text.replace(",", ""), _unit_at(plain[end:])
        same = [one for one in cited if _is_rounded(number, one.value) and unit in {"", unit_of(one.field)}]
        if same:
            nearest = min((abs(one.value - float(number)), n) for n, one in enumerate(same))[1]
            yield Written(start, end, same[nearest])


def find_numbers(plain: str, cited: Sequence[Cited]) -> Iterator[tuple[FaultCode, str]]:
    """Yield each number of a normalized text that is not a cited one, rounded as it is written.

    The session of a cited row may be written as a date, and so may the periods in the names of cited fields.
    """
    if spelled := _SPELLED.search(plain):
        yield FaultCode.NUMBER, spelled[0]
    rest = _hide_sessions(plain, cited)
    for start, text in _read(rest):
        if not _FORM.fullmatch(text.lstrip("+-")):
            yield FaultCode.NUMBER, text
        else:
            yield from _check_number(text.replace(",", ""), rest[start + len(text) :], cited)


def _hide_sessions(plain: str, cited: Sequence[Cited]) -> str:
    """Return a text of the same length without the sessions of cited rows."""
    return _DATE.sub(lambda found: " " * len(found[0]) if _is_session(found, cited) else found[0], plain)


def _read(rest: str) -> Iterator[tuple[int, str]]:
    """Yield the start and the text of all that looks like a number, with its sign."""
    for found in _NUMBER.finditer(rest):
        before = rest[: found.start()][-1:]
        # A hyphen after a letter or a digit is not a sign.
        is_signed = bool(found[1]) and not (before.isascii() and before.isalnum())
        yield (found.start(), found[0]) if is_signed else (found.start(2), found[2])


def _unit_at(after: str) -> str:
    return next((name for name, pattern in _UNITS.items() if pattern.match(after)), "")


def _check_number(text: str, after: str, cited: Sequence[Cited]) -> Iterator[tuple[FaultCode, str]]:
    """Yield the fault of a number, of which `after` is the text behind it; nothing if the number is cited.

    A number in the name of a cited field, such as 20 of `sma_20`, is its period, and needs no citation.
    """
    unit = _unit_at(after)
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
