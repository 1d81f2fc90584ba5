"""What is wrong with channels, rules and messages. English as raised, and Japanese."""

from kaboom.text.language import Pair

NOTIFICATION_DETAILS: tuple[Pair, ...] = (
    ("the receiver answered {status}", "受信側が {status} を返しました"),
    (
        "this Kaboom keeps no channels: its operator sets KABOOM_NOTIFICATION_KEY",
        "通知先を登録できません。管理者が KABOOM_NOTIFICATION_KEY を設定してください",
    ),
    ("KABOOM_NOTIFICATION_KEY is not set", "KABOOM_NOTIFICATION_KEY が設定されていません"),
    (
        "no key of KABOOM_NOTIFICATION_KEY opens the URL of this channel",
        "KABOOM_NOTIFICATION_KEY のどの鍵でも、この通知先のURLを復号できません",
    ),
    (
        "KABOOM_NOTIFICATION_KEY: key {place} had {count} letters, expected at least {least}",
        "KABOOM_NOTIFICATION_KEY：{place}番目の鍵が{count}文字です。{least}文字以上にしてください",
    ),
    (
        "channel {channel} does not exist: an id is 32 hex digits",
        "通知先 {channel} はありません。IDは16進数32桁です",
    ),
    ("rule {rule} does not exist: an id is 32 hex digits", "ルール {rule} はありません。IDは16進数32桁です"),
    (
        "message {message} does not exist: an id is msg_ and 32 hex digits",
        "メッセージ {message} はありません。IDはmsg_と16進数32桁です",
    ),
    (
        "message {message} was {status}, expected one that is delivered or dead",
        "メッセージ {message} は {status} です。配信済みか配信不能のものを指定してください",
    ),
    ("there are {count} channels already, which is the limit", "通知先が上限の{count}件に達しています"),
    ("there are {count} rules already, which is the limit", "ルールが上限の{count}件に達しています"),
    (
        "a {what} named {name} exists already: choose another name",
        "{what} {name} はすでにあります。別の名前にしてください",
    ),
    (
        "channel {name} is used by a rule: delete the rule first, or give it another channel",
        "通知先 {name} はルールで使われています。先にルールを削除するか、別の通知先に変えてください",
    ),
    (
        "url was not a URL, such as slack://… or mailtos://…",
        "urlがURLではありません。slack://…や mailtos://…のように指定してください",
    ),
    (
        "url was not plain: expected service://user:password@host:port/path?name=value, with `;`, `#`, `?`, `@`, `:` and `%` within a part written as %3B, %23, %3F, %40, %3A and %25",
        "url の形式が正しくありません。service://user:password@host:port/path?name=value の形で、各部分に含まれる `;`、`#`、`?`、`@`、`:`、`%` は %3B、%23、%3F、%40、%3A、%25 と書いてください",
    ),
    (
        "url had an option twice, or one that is not name=value with small letters",
        "url のオプションが重複しているか、小文字の name=value の形ではありません",
    ),
    (
        "apprise read options in the url that channels may not have",
        "url に、チャンネルで使えないオプションがあります",
    ),
    (
        "url was for service {service}, expected one of {known}",
        "urlのサービスが {service} です。使えるもの：{known}",
    ),
    (
        "url had option {option}, which channels of {service} may not have",
        "urlのオプション {option} は、{service} の通知先では使えません",
    ),
    (
        "url was not encrypted, expected it to be, or a host of KABOOM_WEBHOOK_HOSTS",
        "urlの通信が暗号化されていません。暗号化するか、KABOOM_WEBHOOK_HOSTS のホストにしてください",
    ),
    (
        "url did not lead to a public address, expected one, or a host of KABOOM_WEBHOOK_HOSTS",
        "urlの宛先が公開アドレスではありません。公開アドレスか、KABOOM_WEBHOOK_HOSTS のホストにしてください",
    ),
    (
        "url had port {port}, expected {allowed}, or a host of KABOOM_WEBHOOK_HOSTS",
        "urlのポートが {port} です。{allowed} か、KABOOM_WEBHOOK_HOSTS のホストにしてください",
    ),
    (
        "expected both quiet_from and quiet_until, or neither",
        "quiet_from と quiet_until は両方指定するか、両方省いてください",
    ),
    (
        "quiet_from and quiet_until were the same: switch the rule off instead",
        "quiet_from と quiet_until が同じです。代わりにルールを無効にしてください",
    ),
    ("expected digest_at or digest_minutes, and not both", "digest_at と digest_minutes はどちらか一方にしてください"),
    (
        "expected a deadline exactly where the events have data_incomplete",
        "deadline は、eventsに data_incomplete があるときだけ必要です",
    ),
    ("apprise could not deliver it", "appriseで配信できませんでした"),
    (
        "apprise does not understand the URL of service {service}",
        "appriseは {service} のURLを解釈できません",
    ),
    ("could not connect: {why}", "接続できません：{why}"),
)
