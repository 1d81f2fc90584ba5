"""What the counts of an ingest mean: the quality of its rows, and its corporate actions."""

from kaboom.text.language import Pair

COUNT_CODES: dict[str, Pair] = {
    "quarantined": ("rows rejected", "隔離"),
    "refused_by_store": ("bars refused by the store", "保存先が拒否"),
    "corrected": ("bars corrected", "訂正"),
    "actions_reported": ("actions reported", "提供元のコーポレートアクション"),
    "actions_suspected": ("actions suspected", "疑いのあるコーポレートアクション"),
    "actions_confirmed": ("actions confirmed", "確認済みのコーポレートアクション"),
    "actions_rejected": ("actions rejected", "却下したコーポレートアクション"),
    "flag_off_tick": ("off tick", "呼値の単位でない"),
    "flag_limit_breach": ("beyond the daily limit", "値幅制限超え"),
    "flag_split_suspect": ("near the ratio of a split", "分割比率に近い寄付"),
    "flag_stale": ("repeated", "同じ値の繰り返し"),
    "flag_jump": ("jump", "急変"),
    "flag_duplicate": ("won over another row", "重複"),
    "flag_thin": ("few bars", "本数が少ない"),
    "flag_auction_missing": ("no closing auction", "引けの足なし"),
    "flag_corrected": ("corrected", "後の取得で訂正"),
    "flag_gap": ("gap", "欠け"),
    "flag_spike": ("a close far off for one day", "1日だけの異常な終値"),
    "flag_no_volume": ("a price range without volume", "出来高0で値幅あり"),
    "flag_volume_jump": ("a volume of another unit", "出来高の桁違い"),
    "flag_day_differs": ("minutes differ from the day", "日足と不一致"),
}
