"""What alerts say in detail. English as written, and Japanese."""

from kaboom.text.language import Pair

ALERT_DETAILS: tuple[Pair, ...] = (
    (
        "{percent} % of its memory is used; at 100 % Redis refuses writes",
        "メモリの{percent}％を使っています。100％になるとRedisは書き込みを拒否します",
    ),
    ("no worker is online, and {count} messages wait", "稼働中のワーカーがなく、{count}件のメッセージが待っています"),
    ("no worker is online; nothing waits", "稼働中のワーカーがありません。待っているメッセージはありません"),
    (
        "{count} stopped in the last 15 minutes without being asked to; their chunks run elsewhere",
        "直近15分間に{count}台が終了の指示なしに応答を停止しました。チャンクはほかのワーカーが引き継ぎます",
    ),
    ("a job has waited for {minutes} min", "{minutes}分待っているジョブがあります"),
    (
        "the newest session is not complete, {hours} h after it was due",
        "最新の立会日のデータがそろっていません。期限から{hours}時間が過ぎています",
    ),
    (
        "it is {minutes} min overdue: no worker fires it",
        "予定時刻から{minutes}分が過ぎています。実行するワーカーがありません",
    ),
    (
        "chunks in the last {hours} h: {count}, jobs: {jobs}; symbols are missing until the jobs are retried",
        "直近{hours}時間に{count}件（ジョブ{jobs}件）。ジョブを再試行するまで、銘柄は欠損のままです",
    ),
    (
        "it is asked nothing for another {seconds} s: {why}",
        "あと{seconds}秒は問い合わせません：{why}",
    ),
    (
        "the newest list is of {as_of}, {days} days ago: symbols listed later are missing",
        "最新の一覧は{as_of}のもので、{days}日前です。その後に上場した銘柄は取り込まれません",
    ),
    (
        "the last {count} attempts failed: its notifications do not arrive",
        "直近{count}回の送信がすべて失敗し、通知が届いていません",
    ),
)
