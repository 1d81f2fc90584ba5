"""What `kaboom doctor` finds and how to fix it. English as found, and Japanese."""

from kaboom.providers.registry import provider_specs
from kaboom.text.language import Pair
from kaboom.text.stack import STACK_WORDS

#: The summaries of providers.
_SUMMARIES: tuple[Pair, ...] = (
    (
        "Made-up bars under the TSE's real rules: deterministic, offline, free.",
        "東証の実際の規則に沿って生成した足です。毎回同じ結果で、通信も費用もかかりません。",
    ),
    ("Bars from your own CSV, Excel or Parquet files.", "手元のCSV、Excel、Parquetファイルの足です。"),
    (
        "J-Quants API v2 of the exchange's group, with your own key; for personal use.",
        "日本取引所グループ（JPX）のJ-Quants API v2です。ご自身のキーで、個人利用に限ります。",
    ),
    (
        "Yahoo's charts, without any promise; for personal use.",
        "Yahooのチャートです。提供の保証はなく、個人利用に限ります。",
    ),
)

FINDING_DETAILS: tuple[Pair, ...] = (
    # What was found.
    (
        "requests had X-Forwarded-For, which is ignored: behind a proxy all clients have one address, and one limit",
        "X-Forwarded-For 付きのリクエストがありましたが、無視しています。プロキシの背後では、すべてのクライアントが1つのアドレスとして扱われ、制限も共有されます",
    ),
    (
        "set KABOOM_PROXY_HOPS to the number of proxies in front of the API",
        "APIの前にあるプロキシの数を KABOOM_PROXY_HOPS に設定してください",
    ),
    (
        "{name} is not installed: REDIS_URL and DATABASE_URL are needed",
        "{name} がインストールされていません。REDIS_URL と DATABASE_URL が必要です",
    ),
    (
        "KABOOM_PROVIDER was {text}, and there is no such provider",
        "KABOOM_PROVIDER が {text} ですが、そのようなデータ提供元はありません",
    ),
    ("{folder}: {free} GiB are free", "{folder} ：空きが{free} GiBあります"),
    ("{folder}: no limit of space", "{folder} ：容量の制限はありません"),
    (
        "{folder}: {free} MiB are free, expected {least} MiB or more",
        "{folder} ：空きが{free} MiBです。{least} MiB以上必要です",
    ),
    (
        "{folder}: {free} inodes are free, expected {least} or more",
        "{folder} ：空きのinodeが{free}個です。{least}個以上必要です",
    ),
    ("`kaboom up` runs on {folder}", "{folder} で `kaboom up` が動いています"),
    (
        "{path} is there and no `kaboom up` runs: processes that end are not restarted",
        "{path} がありますが `kaboom up` が動いていません。終了したプロセスは再起動されません",
    ),
    STACK_WORDS["no_server"],
    ("{url} did not answer: {reason}", "{url} から応答がありません：{reason}"),
    ("{url} answered {status}", "{url} が {status} を返しました"),
    ("takes a write, and evicts nothing", "書き込みができ、データを破棄しません"),
    ("takes a write, and its schema is this release's", "書き込みができ、スキーマはこのリリースのものです"),
    ("{count} online with {slots} slots", "{count}台、{slots}スロットが稼働中です"),
    (
        "none is enabled; `kaboom schedules list` shows all",
        "有効なスケジュールはありません。一覧は `kaboom schedules list` で見られます",
    ),
    ("{count} enabled: {names}", "{count}件が有効です：{names}"),
    (
        "channel {name}: the last {count} attempts failed",
        "通知先 {name}：直近{count}回の送信がすべて失敗しました",
    ),
    (
        "`kaboom notify log` says why; correct the channel's URL, or turn it off",
        "理由は `kaboom notify log` で確認できます。通知先のURLを修正するか、無効にしてください",
    ),
    (
        "channels that are on: {count}; none keeps failing",
        "有効な通知先は{count}件で、失敗が続いているものはありません",
    ),
    (
        "one is {minutes} min overdue: no worker fires it",
        "予定を{minutes}分過ぎたものがあります。実行するワーカーがありません",
    ),
    (
        "{place}: {pages} pages, {bytes} bytes, {bars} bars, all sound",
        "{place} ：{pages}ページ、{bytes}バイト、足{bars}本、すべて正常です",
    ),
    ("{place}: {bars} bars, all sound", "{place} ：足{bars}本、すべて正常です"),
    ("the file is missing", "ファイルがありません"),
    (
        "the list of files is missing, so a lost file would not be noticed",
        "ファイルの一覧がないため、ファイルが失われても気づけません",
    ),
    *_SUMMARIES,
    # The same with the terms of the provider behind it.
    *((f"{english} {{why}}", f"{japanese}{{why}}") for english, japanese in _SUMMARIES),
    *((spec.terms.en, spec.terms.ja) for spec in provider_specs() if spec.terms),
    # How to fix it.
    ("set KABOOM_PROVIDER to one of: {names}", "KABOOM_PROVIDER を次のどれかに設定してください：{names}"),
    (
        "set what provider {name} needs, or another KABOOM_PROVIDER",
        "データ提供元 {name} に必要な設定をするか、KABOOM_PROVIDER を変更してください",
    ),
    ("check the disk of {folder}", "{folder} のディスクを確認してください"),
    ("free space on the disk of {folder}", "{folder} のディスクに空きを作ってください"),
    (
        "free space on the disk of {folder}, and let Kaboom's user write there",
        "{folder} のディスクに空きを作り、Kaboomのユーザーが書き込めるようにしてください",
    ),
    ("fix the parts below: `/readyz` names them", "下の対象を直してください。`/readyz` に名前が出ます"),
    ("correct the settings that the message names", "メッセージにある設定を直してください"),
    (
        "correct the INFLUXDB_ and KABOOM_INFLUXDB_ settings, or start the server",
        "INFLUXDB_ と KABOOM_INFLUXDB_ の設定を直すか、サーバーを起動してください",
    ),
    ("check the disk, and who may read the folder", "ディスクと、フォルダーの読み取り権限を確認してください"),
    (
        "check the disk, the permissions of the file, and Kaboom's version",
        "ディスク、ファイルの読み取り権限、Kaboomの版を確認してください",
    ),
    ("correct {setting}", "{setting} を直してください"),
    ("start {server}, or correct {setting}", "{server} を起動するか、{setting} を直してください"),
    ("give PostgreSQL more room: free its disk", "PostgreSQLのディスクに空きを作ってください"),
    (
        "give Redis more room: free its disk, or raise its maxmemory",
        "Redisの容量を増やしてください（ディスクに空きを作るか、maxmemoryを上げます）",
    ),
    (
        "`kaboom up` restarts {server} by itself; if it does not, see logs/ in the data folder",
        "`kaboom up` が {server} を自動で再起動します。再起動しない場合はデータフォルダーの logs/ を確認してください",
    ),
    (
        "check the log of a worker's main process, which fires schedules",
        "スケジュールを実行する、ワーカーのメインプロセスのログを確認してください",
    ),
)
