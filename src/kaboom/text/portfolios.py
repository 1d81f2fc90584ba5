"""What the commands about portfolios say."""

from kaboom.text.language import Pair

PORTFOLIO_WORDS: dict[str, Pair] = {
    "no_portfolios": (
        "no portfolios: create one with `kaboom portfolio create NAME`",
        "ポートフォリオがありません。`kaboom portfolio create NAME` で作成できます",
    ),
    "no_such_portfolio": (
        "no portfolio {wanted}; there are: {names}",
        "ポートフォリオ {wanted} はありません。登録済み：{names}",
    ),
    "portfolio_created": ("portfolio {name} created", "ポートフォリオ {name} を作成しました"),
    "portfolio_renamed": ("its name is {name} now", "名前を {name} に変更しました"),
    "portfolio_delete": (
        "delete the portfolio {portfolio} with all its entries? this cannot be undone",
        "ポートフォリオ {portfolio} をすべての記帳とともに削除しますか。元に戻せません",
    ),
    "portfolio_deleted": ("portfolio {portfolio} deleted", "ポートフォリオ {portfolio} を削除しました"),
    "dividends_booked": ("dividends booked: {count}", "配当を{count}件記帳しました"),
    "portfolio_totals": (
        "cash {cash} yen · positions {value} yen · equity {equity} yen · profit {profit} yen",
        "現金{cash}円・評価額{value}円・純資産{equity}円・損益{profit}円",
    ),
    "portfolio_unpriced": ("no close is stored of {symbols}", "終値が保存されていない銘柄：{symbols}"),
    "portfolio_not_final": (
        "the closes of {symbols} may still change",
        "終値が未確定の銘柄：{symbols}",
    ),
    "no_positions": ("no positions", "保有銘柄はありません"),
    "no_entries": ("no entries", "記帳はありません"),
    "entry_booked": ("booked as {entry_id}", "記帳しました：{entry_id}"),
    "portfolio_imported": ("{count} entries booked", "{count}件を記帳しました"),
    "portfolio_exported": ("written to {path}", "{path} に書き出しました"),
    "csv_unreadable": ("{path} could not be read: {reason}", "{path} を読み込めません：{reason}"),
    "unknown_value": ("unknown", "不明"),
}
