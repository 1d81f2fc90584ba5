"""Indices of the Tokyo market: their symbols and names, and the 33 sectors as JPX lists them.

The symbol is `^` and J-Quants' code of the index. The mark is needed because issues have some of these codes, too: 8200
is TOPIX Growth and a company. Nikkei 225 has no code at J-Quants; its symbol is `^N225`.
Source of the codes: jpx-jquants.com/en/spec/idx-bars-daily/indexcodes.
"""

import re
import unicodedata
from dataclasses import dataclass

from kaboom.errors import InvalidRequest
from kaboom.market.listing import Listing, Market


@dataclass(frozen=True, slots=True)
class Sector:
    """One of the 33 sectors: its code of four digits, and JPX's names of it."""

    code: str
    ja: str
    en: str


#: In the order of their codes, which is that of JPX's own tables.
SECTORS = tuple(
    Sector(*names)
    for names in (
        ("0050", "水産・農林業", "Fishery, Agriculture & Forestry"),
        ("1050", "鉱業", "Mining"),
        ("2050", "建設業", "Construction"),
        ("3050", "食料品", "Foods"),
        ("3100", "繊維製品", "Textiles & Apparels"),
        ("3150", "パルプ・紙", "Pulp & Paper"),
        ("3200", "化学", "Chemicals"),
        ("3250", "医薬品", "Pharmaceutical"),
        ("3300", "石油・石炭製品", "Oil & Coal Products"),
        ("3350", "ゴム製品", "Rubber Products"),
        ("3400", "ガラス・土石製品", "Glass & Ceramics Products"),
        ("3450", "鉄鋼", "Iron & Steel"),
        ("3500", "非鉄金属", "Nonferrous Metals"),
        ("3550", "金属製品", "Metal Products"),
        ("3600", "機械", "Machinery"),
        ("3650", "電気機器", "Electric Appliances"),
        ("3700", "輸送用機器", "Transportation Equipment"),
        ("3750", "精密機器", "Precision Instruments"),
        ("3800", "その他製品", "Other Products"),
        ("4050", "電気・ガス業", "Electric Power & Gas"),
        ("5050", "陸運業", "Land Transportation"),
        ("5100", "海運業", "Marine Transportation"),
        ("5150", "空運業", "Air Transportation"),
        ("5200", "倉庫・運輸関連業", "Warehousing & Harbor Transportation Services"),
        ("5250", "情報・通信業", "Information & Communication"),
        ("6050", "卸売業", "Wholesale Trade"),
        ("6100", "小売業", "Retail Trade"),
        ("7050", "銀行業", "Banks"),
        ("7100", "証券、商品先物取引業", "Securities & Commodity Futures"),
        ("7150", "保険業", "Insurance"),
        ("7200", "その他金融業", "Other Financing Business"),
        ("8050", "不動産業", "Real Estate"),
        ("9050", "サービス業", "Services"),
    )
)
_BY_NAME = {sector.ja: sector for sector in SECTORS}
_NONE = Sector("", "", "")


def sector_of(name: str) -> Sector:
    """Return the sector of a Japanese name; a sector without code and English name if it is not one of the 33."""
    return _BY_NAME.get(name, _NONE)


#: How the symbol of an index begins.
INDEX_MARK = "^"
TOPIX, NIKKEI_225 = "^0000", "^N225"
#: What stands for TOPIX, the first that has bars: the index, then the largest funds that follow it, in yen a unit.
TOPIX_AND_FUNDS = (TOPIX, "1306", "1305", "1475", "1348")
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
