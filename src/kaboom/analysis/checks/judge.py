"""Judging an answer against the facts that it was given: an opinion that may be shown, or the faults; pure."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pydantic import ValidationError

from kaboom.analysis.checks.directions import find_directions
from kaboom.analysis.checks.faults import Fault, FaultCode
from kaboom.analysis.checks.numbers import Cited, find_numbers
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.opinion import Claim, Opinion, Point
from kaboom.analysis.vocabulary import VERDICTS, Kind, Verdict

#: The most bytes of an answer: eight points of six claims need less.
MOST_BYTES = 64 << 10
_MOST_FAULTS = 10
#: Japanese and English in plain letters. Everything else is refused: markup needs < [ { ` * _ # or |, homoglyphs are of
#: other scripts, and invisible or direction-reversing characters are in none of these ranges.
_OTHER = re.compile(
    r"[^ 0-9A-Za-z"
    r"\u3005-\u3007\u3041-\u3096\u309d\u309e\u30a1-\u30fa\u30fc-\u30fe\u4e00-\u9fff"
    r"、。・「」()%+,.:;/'’“”\"!?~〜—\-]"
)
_LINK = re.compile(
    r"://|www\.|\b(?:https?|ftp|mailto|javascript|data|file|tel):|\b[a-z0-9-]+\.(?:[a-z]{2,24})\b(?=[/:]|$|[^a-z])",
    re.IGNORECASE | re.ASCII,
)
_ADVICE = re.compile(
    r"\b(?:buy|sell|hold|go long|go short|short (?:it|this)|recommend\w*|advis\w*|must|should|guarantee\w*|certain(?:ly|ty)?"
    r"|definite(?:ly)?|surely|risk[- ]free|no risk|never fails?|target price)\b"
    r"|(?:買い|売り|購入|売却|保有|投資)(?:を|は|が)?(?:推奨|推薦|お?勧め|お?すすめ|すべき|しましょう|時(?:です|だ|と)|シグナル|場(?:です|だ))"
    r"|(?:買|売)(?:う|る)べき|(?:買い|売り)ましょう|(?:買|売)って(?:ください|おけ|おく)|買え(?![らるてな])|売れ(?![るてな])|買いです|売りです|仕込み"
    r"|推奨|お勧め|おすすめ|オススメ|目標株価|必ず|絶対(?!値)|(?<!不)確実|間違いな|断言|元本保証|保証(?:します|され)|リスク(?:は|が)?(?:ない|ゼロ)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer after the checks: an opinion without faults, or faults and no opinion."""

    opinion: Opinion | None
    faults: tuple[Fault, ...] = ()

    @property
    def words(self) -> str:
        """The faults in one line."""
        return "; ".join(fault.words for fault in self.faults)


def judge_answer(text: str, facts: Facts) -> Judged:
    """Return the opinion in an answer if it has no faults; else the first ten faults."""
    if len(text.encode(errors="replace")) > MOST_BYTES:
        return Judged(None, (Fault(FaultCode.SCHEMA, "", f"more than {MOST_BYTES} bytes"),))
    try:
        opinion = Opinion.model_validate_json(text)
    except ValidationError as e:
        return Judged(None, tuple(_describe(e)))
    except ValueError:
        return Judged(None, (Fault(FaultCode.SCHEMA, "", "not JSON"),))
    return judge_opinion(opinion, facts)


def judge_opinion(opinion: Opinion, facts: Facts) -> Judged:
    """Return an opinion in the form that was checked if it has no faults; else the first ten faults."""
    points = tuple(point.model_copy(update={"text": normalize(point.text)}) for point in opinion.points)
    checked = opinion.model_copy(update={"points": points})
    faults = tuple(islice(_find_faults(checked, facts), _MOST_FAULTS))
    return Judged(None, faults) if faults else Judged(checked)


def _describe(error: ValidationError) -> Iterator[Fault]:
    for one in islice(error.errors(include_url=False, include_context=False, include_input=False), _MOST_FAULTS):
        # The location may hold text that a model made up, such as names of fields.
        yield Fault(FaultCode.SCHEMA, "/" + "/".join(str(part)[:20] for part in one["loc"][:4]), one["type"])


def _find_faults(opinion: Opinion, facts: Facts) -> Iterator[Fault]:
    if opinion.subject != facts.subject:
        yield Fault(FaultCode.SUBJECT, "/subject", opinion.subject)
    if opinion.verdict not in VERDICTS[facts.kind]:
        yield Fault(FaultCode.VERDICT, "/verdict", opinion.verdict)
    elif _contradicts(opinion.verdict, facts):
        yield Fault(FaultCode.VERDICT, "/verdict", f"{opinion.verdict}, which the data contradict")
    for n, point in enumerate(opinion.points):
        yield from _find_in_point(point, facts, f"/points/{n}")


def _contradicts(verdict: Verdict, facts: Facts) -> bool:
    # Decided by the numbers, not by the texts of others.
    if facts.kind is Kind.INGEST:
        return (verdict is Verdict.COMPLETE) != (not facts.get("failed"))
    if facts.has_few_trades:
        return verdict in {Verdict.AHEAD, Verdict.BEHIND}
    excess, sharpe, other = (facts.get(name) for name in ("excess_return_pct", "sharpe", "benchmark_sharpe"))
    if facts.kind is not Kind.BACKTEST or excess is None or sharpe is None or other is None:
        return False
    # The verdicts "level" and "unclear" never contradict the numbers.
    is_behind, is_ahead = excess < 0 and sharpe < other, excess > 0 and sharpe > other
    return (verdict is Verdict.AHEAD and is_behind) or (verdict is Verdict.BEHIND and is_ahead)


def _find_in_point(point: Point, facts: Facts, where: str) -> Iterator[Fault]:
    cited = list[Cited]()
    for n, claim in enumerate(point.claims):
        found = _check_claim(claim, facts, f"{where}/claims/{n}")
        if isinstance(found, Fault):
            yield found
        else:
            cited.append(found)
    text = point.text
    faults = [*find_wording(text), *find_numbers(text, cited)]
    # A job of an ingest has counts, and no changes.
    faults += [] if facts.kind is Kind.INGEST else find_directions(text, cited)
    for code, what in faults:
        yield Fault(code, f"{where}/text", what)


def _check_claim(claim: Claim, facts: Facts, where: str) -> Fault | Cited:
    row = facts.find(claim.source)
    if row is None:
        return Fault(FaultCode.SOURCE, f"{where}/source", claim.source)
    if claim.field not in row.values:
        return Fault(FaultCode.SOURCE, f"{where}/field", claim.field)
    value = row.values[claim.field]
    # Facts are rounded, so that they can be copied.
    if abs(claim.value - value) > 1e-9 * max(1.0, abs(value)):
        return Fault(FaultCode.VALUE, f"{where}/value", repr(claim.value))
    return Cited(claim.field, value, row.session)


def normalize(text: str) -> str:
    """Return a text in one form: full-width digits and letters become ASCII, and all minus signs one."""
    plain = unicodedata.normalize("NFKC", text)
    return re.sub("[\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}]", "-", plain)


def find_wording(plain: str) -> Iterator[tuple[FaultCode, str]]:
    """Yield the faults in the words of a normalized text."""
    if found := _LINK.search(plain):
        yield FaultCode.LINK, found[0]
    if found := _OTHER.search(plain):
        yield FaultCode.LETTERS, found[0]
    if found := _ADVICE.search(plain):
        yield FaultCode.ADVICE, found[0]
