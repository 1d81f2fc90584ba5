"""What Redis, PostgreSQL, the bar store and providers answer. English as raised, and Japanese."""

from kaboom.text.language import Pair

SERVER_DETAILS: tuple[Pair, ...] = (
    ("Redis did not answer: {reason}", "Redisから応答がありません：{reason}"),
    (
        "the chunks of job {job_id} are damaged in Redis: {reason}",
        "ジョブ {job_id} のチャンクのデータがRedis上で破損しています：{reason}",
    ),
    ("PostgreSQL did not answer: {reason}", "PostgreSQLから応答がありません：{reason}"),
    ("PostgreSQL refused the statement: {reason}", "PostgreSQLが文を拒否しました：{reason}"),
    (
        "PostgreSQL takes no write: its transactions are read-only",
        "PostgreSQLに書き込めません：トランザクションが読み取り専用です",
    ),
    ("no answer came within {seconds} s", "{seconds}秒以内に応答がありません"),
    ("no answer within {seconds} s", "{seconds}秒以内に応答がありません"),
    ("{part}: no answer in {seconds} s", "{part}：{seconds}秒以内に応答がありません"),
    ("no answer in {seconds} s", "{seconds}秒以内に応答がありません"),
    ("the API did not answer in {seconds} s", "APIから{seconds}秒以内に応答がありません"),
    ("the broker of {setting} did not answer: {reason}", "{setting} のブローカーから応答がありません：{reason}"),
    ("the bar store is closed", "足の保存先は閉じています"),
    (
        "the disk of {folder} is full: {why}; free space on it",
        "{folder} のディスクがいっぱいです：{why}。空きを作ってください",
    ),
    (
        "the disk of {folder} is full: {why}; free space on it ({why2})",
        "{folder} のディスクがいっぱいです：{why}。空きを作ってください（{why2}）",
    ),
    ("the disk of {folder} is all but full: {why}", "{folder} のディスクの空きがほとんどありません：{why}"),
    ("{folder} does not accept a write: {reason}", "{folder} に書き込めません：{reason}"),
    ("{folder} does not answer: {reason}", "{folder} から応答がありません：{reason}"),
    ("{free} MiB are free, expected {least} MiB or more", "空きが{free} MiBです。{least} MiB以上必要です"),
    ("{free} inodes are free, expected {least} or more", "空きのinodeが{free}個です。{least}個以上必要です"),
    ("{why}; repair it with `{command}`", "{why}。`{command}` で修復してください"),
    ("page {name} is damaged: {reason}", "ページ {name} が破損しています：{reason}"),
    ("bar file {path} is missing although its WAL exists", "足のファイル {path} がなく、WALだけが残っています"),
    (
        "bar file {path} has format version {version}, expected {own}: a newer Kaboom wrote it",
        "足のファイル {path} の形式は版{version}です（このKaboomが読めるのは版{own}）。より新しいKaboomが書いたファイルです",
    ),
    (
        "bar file {path} has format version {version}, expected {own}",
        "足のファイル {path} の形式は版{version}です。版{own}のはずです",
    ),
    ("bar file {path} was replaced a moment ago", "足のファイル {path} は今しがた置き換えられました"),
    ("bar file {path} was removed right after it was created", "足のファイル {path} は作成直後に消えました"),
    (
        "bar files in {folder} were locked for {seconds} s by a repair or by writers",
        "{folder} の足のファイルが、修復または書き込みにより{seconds}秒間ロックされています",
    ),
    (
        "a write took more than {seconds} s between its moment and its commit",
        "書き込みが、時刻を決めてから確定するまでに{seconds}秒を超えました",
    ),
    ("bar file {where}: {reason}", "足のファイル {where} ：{reason}"),
    ("{name} said 429, too many requests", "{name} がリクエストの上限超過（429）を返しました"),
    ("{name} said {status}, it refused the request: {why}", "{name} が {status} で拒否しました：{why}"),
    (
        "{name} said {status}, it refused the request: {why}; it said {text}",
        "{name} が {status} で拒否しました：{why}。応答：{text}",
    ),
    (
        "JQUANTS_API_KEY must hold a valid key, and its plan the data (minutes are an add-on to Light or higher)",
        "JQUANTS_API_KEY に有効なキーを設定し、データがプランに含まれることを確認してください（分足はLight以上のアドオン）",
    ),
    (
        "Yahoo rejects some callers; no setting of Kaboom changes that",
        "Yahooは一部の呼び出し元を拒否します。Kaboomの設定では変えられません",
    ),
    ("it does not take the address", "アドレスを受け付けません"),
    (
        "{name}: status was {status}, expected 200; it said {text}",
        "{name} ：ステータスが{status}でした（200のはず）。応答：{text}",
    ),
    ("{name} was not asked: {why}", "{name} に問い合わせませんでした：{why}"),
    ("jquants: no issue was listed on {day}", "jquants：{day} に上場銘柄がありません"),
    (
        "provider was jquants and JQUANTS_API_KEY is not set: get a key of your own, for personal use",
        "データ提供元が jquants ですが、JQUANTS_API_KEY が設定されていません。個人利用のためのキーをご自身で取得してください",
    ),
    (
        "provider was yahoo and YAHOO_ENABLED is not true: read Yahoo's terms, then set it",
        "データ提供元が yahoo ですが、YAHOO_ENABLED が true ではありません。Yahooの規約を読んでから設定してください",
    ),
    (
        "provider was file and KABOOM_FILE_DIR is not set: name the folder of your files",
        "データ提供元が file ですが、KABOOM_FILE_DIR が設定されていません。ファイルのフォルダーを指定してください",
    ),
    (
        "callback_url did not lead to a public address, expected one, or a host of KABOOM_WEBHOOK_HOSTS",
        "callback_url が公開アドレスではありません。公開アドレスか KABOOM_WEBHOOK_HOSTS のホストを指定してください",
    ),
    (
        "callback_url was not plain: expected https://host[:port]/path of at most {most} letters, in ASCII",
        "callback_url の形が正しくありません。https://host[:port]/path の形のASCII文字{most}字以内で指定してください",
    ),
    (
        "callback_url was http, expected https, or a host of KABOOM_WEBHOOK_HOSTS",
        "callback_url が http です。https か KABOOM_WEBHOOK_HOSTS のホストを指定してください",
    ),
    (
        "callback_url had port {port}, expected {ports}, or a host of KABOOM_WEBHOOK_HOSTS",
        "callback_url のポートが {port} です。{ports} か KABOOM_WEBHOOK_HOSTS のホストを指定してください",
    ),
)
