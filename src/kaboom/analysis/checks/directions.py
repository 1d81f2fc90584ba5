"""Checks on the directions that a text states, such as "fell" or 上回る: cited numbers must show each of them; pure."""

import re
from collections.abc import Iterator, Sequence

from kaboom.analysis.checks.faults import FaultCode
from kaboom.analysis.checks.numbers import Cited, Written, find_cited
from kaboom.analysis.facts.model import unit_of

_UP = re.compile(
    r"\b(?:ris(?:e|es|en|ing)|rose|gain(?:s|ed|ing)?|climb\w*|advanc\w*|increas\w*|rall(?:y|ies|ied|ying)|jump\w*|surg(?:e|es|ed|ing)"
    r"|soar\w*|rebound\w*|recover\w*|gr[eo]w(?:s|n|ing)?|strengthen\w*|appreciat\w*|uptrend|upwards?"
    r"|(?:is|are|was|were|been|went|moved?|closed|ended|finished|trended) up)\b"
    r"|\bup (?:by )?(?=[+-]?[0-9])"
    r"|上昇|(?<!売)上げ|(?<!売)上が|値上がり|値を上|続伸|急伸|反発|急騰|高騰|騰貴|増加|増え|伸び(?!悩)|回復|上向|右肩上がり|含み益|プラス",
    re.IGNORECASE | re.ASCII,
)
_DOWN = re.compile(
    r"\b(?:fall(?:s|en|ing)?|fell|drop(?:s|ped|ping)?|declin\w*|decreas\w*|los(?:e|es|t|s|ses|ing)|slid(?:e|es|ing)?|s[aiu]nk(?:s|ing)?"
    r"|plung\w*|tumbl\w*|slump\w*|weaken\w*|retreat\w*|slip(?:s|ped|ping)?|shr[aiu]nk\w*|depreciat\w*|crash\w*|downtrend|downwards?"
    r"|(?:is|are|was|were|been|went|moved?|closed|ended|finished|trended) down)\b"
    r"|\bdown (?:by )?(?=[+-]?[0-9])"
    r"|下落|下降|下げ|下が|値下がり|値を下|続落|急落|反落|暴落|減少|減っ|低下|下向|右肩下がり|含み損|マイナス",
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
