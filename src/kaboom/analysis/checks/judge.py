"""Judging an answer against its facts, and the directions that it claims: an opinion to show, or the faults; pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pydantic import ValidationError

from kaboom.analysis.checks.numbers import Cited, Fault, FaultCode, Written, find_cited, find_numbers
from kaboom.analysis.facts.model import Facts, unit_of
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
_UP = re.compile(
    r"\b(?:ris(?:e|es|en|ing)|rose|gain(?:s|ed|ing)?|climb\w*|advanc\w*|increas\w*|rall(?:y|ies|ied|ying)|jump\w*|surg(?:e|es|ed|ing)"
    r"|soar\w*|rebound\w*|recover\w*|gr[eo]w(?:s|n|ing)?|strengthen\w*|appreciat\w*|uptrend|upwards?"
    r"|(?:is|are|was|were|been|went|moved?|closed|ended|finished|trended|came|comes?) up)\b"
    r"|\bup (?:(?:by|to|at|from) )?(?=[+-]?[0-9])"
    r"|\b(?:is|are|was|were|went|moved?|closed?|ended|finished|trad(?:ed|es|ing)) higher\b(?! than)"
    r"|上昇|堅調|強含|(?<!売)上げ|(?<!売)上が|値上がり|値を上|続伸|急伸|反発|急騰|高騰|騰貴|増加|増え|伸び(?!悩)|回復|上向|右肩上がり|含み益|プラス",
    re.IGNORECASE | re.ASCII,
)
_DOWN = re.compile(
    r"\b(?:fall(?:s|en|ing)?|fell|drop(?:s|ped|ping)?|declin\w*|decreas\w*|los(?:e|es|t|s|ses|ing)|slid(?:e|es|ing)?|s[aiu]nk(?:s|ing)?"
    r"|plung\w*|tumbl\w*|slump\w*|weaken\w*|retreat\w*|slip(?:s|ped|ping)?|shr[aiu]nk\w*|depreciat\w*|crash\w*|downtrend|downwards?"
    r"|(?:is|are|was|were|been|went|moved?|closed|ended|finished|trended|came|comes?) down)\b"
    r"|\bdown (?:(?:by|to|at|from) )?(?=[+-]?[0-9])"
    r"|\b(?:is|are|was|were|went|moved?|closed?|ended|finished|trad(?:ed|es|ing)) lower\b(?! than)"
    r"|下落|軟調|弱含|下降|下げ|下が|値下がり|値を下|続落|急落|反落|暴落|減少|減っ|低下|下向|右肩下がり|含み損|マイナス",
    re.IGNORECASE | re.ASCII,
)
_ABOVE = re.compile(
    r"\b(?:above|exceed\w*|higher than|greater than|outperform\w*|ahead of)\b|上回|超え|超過", re.IGNORECASE | re.ASCII
)
_BELOW = re.compile(
    r"\b(?:below|beneath|lower than|less than|underperform\w*|behind)\b|下回|割り込|割れ", re.IGNORECASE | re.ASCII
)
_DENIED_BEFORE = re.compile(r"(?:\b(?:not|never|no|without|neither|nor)|n['’]t)(?: \w+)? $", re.IGNORECASE | re.ASCII)
_DENIED_AFTER = re.compile(r"^[^、。,.]{0,6}(?:ません|ない|なかった|なく|ず(?=、|。|に|$))")
_CLAUSE = re.compile(
    r"[、。;:]|[,.](?![0-9])|\b(?:but|while|whereas|although|though|and|yet)\b|一方", re.IGNORECASE | re.ASCII
)
_IS_VOLUME = re.compile(r"\b(?:volume|turnover)\b|出来高|売買代金|売買高", re.IGNORECASE | re.ASCII)
#: Fields in per cent that are sizes, and have no direction.
_UNSIGNED = ("volatility", "cost_share", "hit_rate", "exposure", "luck_excluded")


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


def find_directions(plain: str, cited: Sequence[Cited]) -> Iterator[tuple[FaultCode, str]]:
    """Yield each direction of a normalized text that no cited number shows, and each that is denied.

    A rise or a fall needs a cited change with its sign: one in its clause, or else any of its point. A comparison needs
    its two numbers, or such a change.
    """
    numbers = list(find_cited(plain, cited))
    for start, end in _clauses(plain):
        near = [one for one in numbers if start <= one.start < end]
        signs = _signs(plain[start:end], near, cited)
        for sign, pattern in ((1, _UP), (-1, _DOWN)):
            for word in pattern.finditer(plain, start, end):
                if sign not in signs or _is_denied(plain, word):
                    yield FaultCode.DIRECTION, word[0]
        for sign, pattern in ((1, _ABOVE), (-1, _BELOW)):
            for word in pattern.finditer(plain, start, end):
                ordered = _compare(plain, word, near if len(near) > 1 else numbers)
                if sign not in (signs if ordered is None else {ordered}) or _is_denied(plain, word):
                    yield FaultCode.DIRECTION, word[0]


def _clauses(plain: str) -> Iterator[tuple[int, int]]:
    start = 0
    for found in _CLAUSE.finditer(plain):
        yield start, found.start()
        start = found.end()
    yield start, len(plain)


def _signs(clause: str, near: Sequence[Written], cited: Sequence[Cited]) -> set[int]:
    """Return the directions of the changes in a clause, or else of those of the whole point: 1, 0 or -1."""
    is_volume = bool(_IS_VOLUME.search(clause))
    found = [change for one in near if (change := _change_of(one.cited, is_volume=is_volume)) is not None]
    found = found or [change for one in cited if (change := _change_of(one, is_volume=is_volume)) is not None]
    return {(change > 0) - (change < 0) for change in found}


def _change_of(one: Cited, *, is_volume: bool) -> float | None:
    """Return a number whose sign is the direction that a field shows, of volume or else of prices; None of a level."""
    if is_volume:
        return one.value - 1 if one.field.startswith("volume_ratio") else None
    is_change = one.field.endswith("_pct") and not one.field.startswith(_UNSIGNED)
    return one.value if is_change or one.field.startswith("macd_") else None


def _is_denied(plain: str, word: re.Match[str]) -> bool:
    return bool(_DENIED_BEFORE.search(plain[: word.start()]) or _DENIED_AFTER.match(plain[word.end() :]))


def _compare(plain: str, word: re.Match[str], numbers: Sequence[Written]) -> int | None:
    """Return whether the subject of a comparison is more than its object; None if its numbers are not both written."""
    before = [one for one in numbers if one.start < word.start()]
    after = [one for one in numbers if one.start >= word.end()]
    if word[0].isascii():
        # "A is above B", or "above B is A".
        pair = (before[-1], after[0]) if before and after else (after[1], after[0]) if len(after) > 1 else None
    else:
        # 「AはBを上回る」、または「BをAが上回る」。
        pair = (before[0], before[-1]) if len(before) > 1 else None
        if pair and re.match(r"(?:円|株|%|倍|パーセント)?を", plain[pair[0].end :]):
            pair = pair[1], pair[0]
    if pair is None or unit_of(pair[0].cited.field) != unit_of(pair[1].cited.field):
        return None
    return (pair[0].cited.value > pair[1].cited.value) - (pair[0].cited.value < pair[1].cited.value)
