"""The titles of alerts, by kind."""

from kaboom.text.language import Pair

ALERT_TITLES: dict[str, Pair] = {
    "store_away": ("A part takes no write", "書き込みを受け付けない部分があります"),
    "disk_full": ("A disk is nearly full", "ディスクの空きが少なくなっています"),
    "redis_memory_high": ("Redis uses 70 % or more of its memory", "Redisのメモリ使用率が70％以上です"),
    "no_worker": ("No worker is online", "稼働中のワーカーがありません"),
    "workers_lost": ("Workers were lost", "ワーカーが異常終了しました"),
    "queue_old": ("A job has waited for more than 10 minutes", "10分を超えて開始されていないジョブがあります"),
    "ingest_missed": (
        "A session's daily ingest was not complete by 18:00 JST",
        "立会日の18:00（JST）までに日次の取り込みが完了しませんでした",
    ),
    "schedule_overdue": ("A schedule is overdue", "予定時刻を過ぎたスケジュールがあります"),
    "dead_letters": (
        "A chunk was given up after its last attempt",
        "再試行の上限に達し、処理を打ち切ったチャンクがあります",
    ),
    "provider_paused": ("A provider is paused", "データ提供元への問い合わせを休止しています"),
    "symbol_list_old": ("The symbol list is old", "銘柄一覧が古くなっています"),
    "channel_failing": ("Notifications do not arrive", "通知が届いていません"),
}
