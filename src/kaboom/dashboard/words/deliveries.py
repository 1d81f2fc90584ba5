"""What the lists of webhooks and of dead letters say."""

from kaboom.text.language import Pair

WORDS: dict[str, Pair] = {
    "list": ("The list of webhooks", "Webhookの一覧"),
    "about": ("kept for 30 days after they end", "終了後30日間保存"),
    "state_waiting": ("waits for the job", "ジョブの終了待ち"),
    "state_pending": ("to be sent", "送信待ち"),
    "state_delivered": ("delivered", "送信済み"),
    "state_dead": ("given up", "処理打ち切り"),
    "of_job": ("of job {job}", "ジョブ{job}"),
    "receiver": ("Receiver", "送信先"),
    "answer": ("Last answer", "最後の応答"),
    "attempts": ("Attempts", "試行"),
    "then": ("Next attempt or end, JST", "次の試行・終了（JST）"),
    "next_at": ("again at {at}", "{at}に再送"),
    "again": ("Send again", "再送"),
    "done_again": (
        "The webhook is sent again, with the same id and body.",
        "Webhookを再送します。IDと本文は同じです。",
    ),
    "none": ("No webhook has been sent yet.", "Webhookはまだ送信されていません。"),
    "none_how": (
        "A job that names a callback_url sends one when it ends. Submit one with:",
        "callback_urlを指定したジョブが終わると送信されます。リクエストの例：",
    ),
    "no_match": ("No webhook matches these filters.", "条件に一致するWebhookはありません。"),
    "dead": ("Dead letters", "処理打ち切り"),
    "dead_list": ("The list of dead letters", "処理を打ち切ったチャンクの一覧"),
    "dead_about": (
        "chunks that were given up; their symbols are missing until the job is retried",
        "処理を打ち切ったチャンクです。ジョブを再試行するまで、その銘柄は欠損のままです",
    ),
    "shown": ("Which", "表示"),
    "shown_open": ("Not retried", "未対応"),
    "shown_retried": ("Retried", "再試行済み"),
    "shown_all": ("All", "すべて"),
    "no_dead_open": ("No chunk waits for a retry.", "再試行を待つチャンクはありません。"),
    "no_dead_retried": ("No chunk that was given up has been retried.", "再試行したチャンクはありません。"),
    "no_dead_all": ("No chunk was given up.", "処理を打ち切ったチャンクはありません。"),
    "no_dead_about": (
        "A chunk is given up after its third attempt, or at once where a retry could not help.",
        "チャンクは、3回目の試行に失敗したとき、または再試行では解決しない失敗のときに打ち切られます。",
    ),
    "retry": ("Retry the chosen jobs…", "選択したジョブを再試行…"),
    "retry_about": (
        "A retry runs all that its job has left to do. A preview comes first.",
        "再試行では、ジョブの残りをすべて実行します。先に内容を確認できます。",
    ),
    "given_up": ("Given up, JST", "打ち切り（JST）"),
    "cause": ("Cause", "原因"),
    "retried_as": ("Retried as", "再試行のジョブ"),
    "not_retried": ("not yet", "未対応"),
}
