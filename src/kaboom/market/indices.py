"""Indices of the Tokyo market: their symbols and names.

The symbol is `^` and J-Quants' code of the index. The mark is needed because issues have some of these codes, too: 8200
is TOPIX Growth and a company. Nikkei 225 has no code at J-Quants; its symbol is `^N225`.
Source of the codes: jpx-jquants.com/en/spec/idx-bars-daily/indexcodes.
"""

import re
import unicodedata

from kaboom.errors import InvalidRequest
from kaboom.market.listing import Listing, Market
from kaboom.market.sectors import SECTORS

#: How the symbol of an index begins.
INDEX_MARK = "^"
TOPIX, NIKKEI_225 = "^0000", "^N225"
_ALIASES = {"TOPIX": TOPIX, "N225": NIKKEI_225}
_CODE = re.compile(r"\^?([0-9][0-9A-F]{3})")

_NAMES = {
    TOPIX: ("TOPIX", "TOPIX"),
    "^0028": ("TOPIX Core30", "TOPIX Core30"),
    "^0029": ("TOPIX Large70", "TOPIX Large70"),
    "^002A": ("TOPIX 100", "TOPIX 100"),
    "^002B": ("TOPIX Mid400", "TOPIX Mid400"),
    "^002C": ("TOPIX 500", "TOPIX 500"),
    "^002D": ("TOPIX Small", "TOPIX Small"),
    "^002E": ("TOPIX 1000", "TOPIX 1000"),
    "^002F": ("TOPIX Small500", "TOPIX Small500"),
    # The 33 sectors are in the order of their own codes.
    **{f"^{0x40 + n:04X}": (f"東証業種別 {s.ja}", f"TSE Sector {s.en}") for n, s in enumerate(SECTORS)},
    "^0070": ("東証グロース市場250指数", "TSE Growth Market 250 Index"),
    "^0075": ("東証REIT指数", "TSE REIT Index"),
    "^0500": ("東証プライム市場指数", "TSE Prime Market Index"),
    "^0501": ("東証スタンダード市場指数", "TSE Standard Market Index"),
    "^0502": ("東証グロース市場指数", "TSE Growth Market Index"),
    "^0503": ("JPXプライム150指数", "JPX Prime 150 Index"),
    "^8100": ("TOPIX バリュー", "TOPIX Value"),
    "^8200": ("TOPIX グロース", "TOPIX Growth"),
    NIKKEI_225: ("日経平均株価", "Nikkei 225"),
}
#: The indices that have a name here; other indices have bars, too.
INDICES = tuple(Listing(symbol, ja, Market.INDEX, "", "", en) for symbol, (ja, en) in sorted(_NAMES.items()))


def is_index(symbol: str) -> bool:
    """Return whether a symbol, as a request's validator returns it, is of an index."""
    return symbol.startswith(INDEX_MARK)


def find_index(text: str) -> str | None:
    """Return the symbol of an index if a text means only this index, such as `"^0000"` or `"topix"`; else None."""
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    return parse_index(plain) if is_index(plain) or plain in _ALIASES else None


def is_of_tokyo(symbol: str) -> bool:
    """Return whether a symbol is an index of the Tokyo market, as `parse_index` returns it, unlike `^GSPC`."""
    try:
        return parse_index(symbol) == symbol
    except InvalidRequest:
        return False


def parse_index(text: str) -> str:
    """Return the symbol of an index: `"^0000"` for `"0000"`, `"^0000"` and `"TOPIX"`.

    Raises:
        InvalidRequest: the text is not an index of the Tokyo market.

    """
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    if known := _ALIASES.get(plain.removeprefix("^")):
        return known
    if found := _CODE.fullmatch(plain):
        return f"^{found[1]}"
    raise InvalidRequest(
        f"symbol was {text[:20]!r}, expected an index of the Tokyo market: TOPIX, N225, or a code of J-Quants such as"
        " '^0028'",
        pointer="/symbols",
    )
