"""Writing points of the rules analyst: a sentence whose numbers are claims; pure."""

from string import Formatter

from kaboom.analysis.facts.model import Facts, unit_of
from kaboom.analysis.opinion import Claim, Point
from kaboom.analysis.rules.phrases import PHRASES
from kaboom.analysis.vocabulary import Language

_UNITS = {"percent": ("%", "%"), "yen": (" yen", "円"), "shares": (" shares", "株"), "times": (" times", "倍")}


def write_point(name: str, facts: Facts, language: Language) -> Point | None:
    """Return a sentence of `PHRASES` on some facts; None if they lack one of its fields."""
    phrase = PHRASES[name][language == "ja"]
    fields = [field for _, field, _, _ in Formatter().parse(phrase) if field]
    claims, shown = list[Claim](), dict[str, str]()
    for field in fields:
        row = facts.where(field)
        if row is None:
            return None
        claims.append(Claim(source=row.id, field=field, value=float(row.values[field])))
        shown[field] = _show(field, row.values[field], language)
    return Point(text=phrase.format(**shown), claims=tuple(claims))


def _show(field: str, value: float, language: Language) -> str:
    number = f"{value:,.2f}".rstrip("0").rstrip(".") if value != int(value) else f"{value:,.0f}"
    unit = unit_of(field)
    return number + (_UNITS[unit][language == "ja"] if unit else "")
