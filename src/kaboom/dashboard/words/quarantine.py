"""What the page of rejected rows says."""

from kaboom.text.language import Pair

WORDS: dict[str, Pair] = {
    "list": ("The list of rejected rows", "隔離した行の一覧"),
    "total": ("{n} rows of {provider}, {interval} bars", "{provider}、{interval}：{n}行"),
    "time": ("JST", "時刻（JST）"),
    "place": ("{file}, line {line}", "{file} {line}行目"),
    "no_time": ("no time", "時刻なし"),
    "no_symbol": ("no symbol", "銘柄なし"),
    "count": ("{n} of {total}, newest first", "{total}行中{n}行（新しい順）"),
    "none": ("No row was rejected.", "隔離した行はありません。"),
    "none_about": (
        "Rows that cannot be right, such as a price of 0 or a time outside the session, are kept here and never become bars.",
        "価格が0、立会時間外など、正しくない行はここに隔離され、足にはなりません。",
    ),
    "no_match": ("No rejected row matches these filters.", "条件に一致する行はありません。"),
}
