"""The 33 sectors of the Securities Identification Code Committee, as JPX lists them."""

from dataclasses import dataclass


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
