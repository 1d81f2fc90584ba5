"""What is wrong with the settings, and what keeps Kaboom from starting. English as raised, and Japanese."""

from kaboom.text.language import Pair

SETTING_DETAILS: tuple[Pair, ...] = (
    (
        "INGEST_API_TOKEN is not set: `kaboom token new` makes one",
        "INGEST_API_TOKEN が設定されていません。`kaboom token new` で作成できます",
    ),
    (
        "INGEST_API_TOKEN held {count} tokens, expected 1 to {most}",
        "INGEST_API_TOKEN にトークンが{count}個あります。1から{most}個にしてください",
    ),
    (
        "INGEST_API_TOKEN: token {place} of {count} was not {least} or more visible ASCII characters (white space separates tokens): `kaboom token new` makes one",
        "INGEST_API_TOKEN の{count}個中{place}個目が、{least}文字以上の表示可能なASCII文字ではありません（空白で区切ります）。`kaboom token new` で作成できます",
    ),
    (
        "DISABLE_CELERY was true: no worker can be asked",
        "DISABLE_CELERY が true のため、ワーカーに問い合わせできません",
    ),
    (
        "DISABLE_REDIS was true and DISABLE_CELERY false: Celery's broker here is Redis",
        "DISABLE_REDIS が true で DISABLE_CELERY が false です。CeleryのブローカーにはRedisが必要です",
    ),
    (
        "{name} is not set and no Kaboom runs here: set it, or run `kaboom up` first",
        "{name} が設定されておらず、Kaboomも動いていません。設定するか、先に `kaboom up` を実行してください",
    ),
    (
        "{path} belongs to the user {owner}, expected you or root: name your own data folder with --data-dir or KABOOM_DATA_DIR, or run this command as {same}",
        "{path} の所有者が {owner} です。自分またはrootが所有している必要があります。--data-dir または KABOOM_DATA_DIR で自分のデータフォルダーを指定するか、{same} としてこのコマンドを実行してください",
    ),
    (
        "other users can write {path} (mode {mode}): check its content, then run `chmod go-w {same}`",
        "{path} にほかのユーザーが書き込めます（モード{mode}）。内容を確認してから `chmod go-w {same}` を実行してください",
    ),
    (
        "the token was not sent: {path} names the address {url}, and that Kaboom was not started with this token. If you trust the address, set KABOOM_API_URL to it; unset INGEST_API_TOKEN to use the token of the folder",
        "トークンを送信しませんでした。接続先 {url} は {path} にあるもので、そのKaboomはこのトークンで起動されていません。接続先を信頼できる場合は KABOOM_API_URL に設定してください。フォルダーのトークンを使う場合は INGEST_API_TOKEN の設定を外してください",
    ),
    (
        "KABOOM_QUEUE_BROKERS named {names}, known are {queues}",
        "KABOOM_QUEUE_BROKERS に {names} があります。使えるキューは {queues} です",
    ),
    (
        "part {number} of KABOOM_QUEUE_BROKERS was not queue=address, each queue once",
        "KABOOM_QUEUE_BROKERS の{number}番目が queue=address の形ではないか、キューが重複しています",
    ),
    (
        "KABOOM_BAR_STORE was memory and DISABLE_CELERY false: each worker process would keep bars of its own",
        "KABOOM_BAR_STORE が memory で DISABLE_CELERY が false です。ワーカーのプロセスごとに足が分かれてしまいます",
    ),
    (
        "KABOOM_BAR_STORE was influx and INFLUXDB_HOST is not set: name the server's address",
        "KABOOM_BAR_STORE が influx ですが、INFLUXDB_HOST が設定されていません。サーバーのアドレスを指定してください",
    ),
    (
        "DATABASE_URL was for {name}, expected postgresql://…",
        "DATABASE_URL が {name} のURLです。postgresql://… を指定してください",
    ),
    ("{setting} was not a URL, expected {names}", "{setting} がURLではありません。{names} の形で指定してください"),
    (
        "the pooler of DATABASE_URL allows no transactions (statement pooling), and Kaboom needs them: set it to transaction or session pooling, or set DATABASE_DIRECT_URL to the server's own address to migrate",
        "DATABASE_URL のプーラーがトランザクションを許可していません（statement pooling）。transaction pooling か session pooling に変更するか、マイグレーション用に DATABASE_DIRECT_URL へサーバー自体のアドレスを設定してください",
    ),
    (
        "the schema is not this release's: `kaboom migrate` brings it, unless a newer release migrated it ({reason})",
        "スキーマがこのリリースのものではありません。新しいリリースが更新したのでなければ、`kaboom migrate` で更新できます（{reason}）",
    ),
    (
        "the ledger's schema is at revision {revision}, which this release does not know: a newer release has migrated it. Install that release or a newer one, or restore a backup from before",
        "ジョブ台帳のスキーマが、このリリースにないリビジョン {revision} です。新しいリリースが更新しています。そのリリース以降をインストールするか、更新前のバックアップを復元してください",
    ),
    ("the ledger's schema could not be migrated: {reason}", "ジョブ台帳のスキーマを更新できません：{reason}"),
    (
        "the database {name} has the encoding {encoding}, expected UTF8: make one with CREATE DATABASE kaboom ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL",
        "データベース {name} の文字コードが {encoding} です（UTF8が必要）。CREATE DATABASE kaboom ENCODING 'UTF8' TEMPLATE template0 で作成し、DATABASE_URL に指定してください",
    ),
    (
        "processes of a killed Kaboom still use {data_dir} and do not end: pid {pids}",
        "強制終了されたKaboomのプロセスが {data_dir} を使い続けており、終了しません：pid {pids}",
    ),
    ("{name} did not answer in {seconds} s: {why}", "{name} から{seconds}秒以内に応答がありません：{why}"),
    ("{name} did not start: {why}", "{name} を起動できません：{why}"),
    ("nothing can listen on {address}: {reason}", "{address} で待ち受けできません：{reason}"),
    (
        "--queues named queues of {count} brokers ({groups}), and a worker consumes from one: start a worker for each",
        "--queues に{count}個のブローカーのキューがあります（{groups}）。1台のワーカーが使うブローカーは1つなので、ブローカーごとに起動してください",
    ),
    (
        "KABOOM_SECRET_PROJECT is set, and the extra [gcp] is not installed: {reason}",
        "KABOOM_SECRET_PROJECT が設定されていますが、追加機能 [gcp] がインストールされていません：{reason}",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT was set and OpenTelemetry is not installed: install kaboom-api[otel]",
        "OTEL_EXPORTER_OTLP_ENDPOINT が設定されていますが、OpenTelemetryがインストールされていません。kaboom-api[otel] をインストールしてください",
    ),
)
