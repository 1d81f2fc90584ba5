"""Checks on the words of a text: letters, links, and forbidden claims about an investment; pure."""

import re
import unicodedata
from collections.abc import Iterator

from kaboom.analysis.checks.faults import FaultCode

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
