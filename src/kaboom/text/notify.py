"""What `kaboom notify` says."""

from kaboom.text.language import Pair

NOTIFY_WORDS: dict[str, Pair] = {
    "no_channels": (
        "no channels yet; set one up: kaboom notify add-channel NAME, with its URL on stdin",
        "通知先はまだありません。登録するには、URLを標準入力から渡します：kaboom notify add-channel 名前",
    ),
    "no_rules": (
        "no rules yet; add one: kaboom notify add-rule NAME --channel CHANNEL --event job_ended",
        "ルールはまだありません。追加するには：kaboom notify add-rule 名前 --channel 通知先 --event job_ended",
    ),
    "no_messages": ("no messages yet", "メッセージはまだありません"),
    "no_such_channel": ("no channel {wanted}; there are: {names}", "通知先 {wanted} はありません。登録済み：{names}"),
    "channel_added": (
        "channel {channel} is set up; test it: kaboom notify test '{channel}'",
        "通知先 {channel} を登録しました。試すには：kaboom notify test '{channel}'",
    ),
    "rule_added": ("rule {rule} is on", "ルール {rule} を有効にしました"),
    "message_queued": (
        "message {message} is sent now; see what becomes of it: kaboom notify log",
        "メッセージ {message} を送ります。結果を見るには：kaboom notify log",
    ),
    "rule_now": ("now", "すぐに"),
    "rule_digest_at": ("digest {at}", "{at}にまとめて"),
    "rule_digest_minutes": ("digest every {minutes} min", "{minutes}分ごとにまとめて"),
    "rule_quiet": ("quiet {begins} to {ends}", "{begins}～{ends}は送らない"),
}
