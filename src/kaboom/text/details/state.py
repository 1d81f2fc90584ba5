"""What does not exist, what the current state does not allow, and who may not ask. English as raised, and Japanese."""

from kaboom.text.language import Pair

STATE_DETAILS: tuple[Pair, ...] = (
    *(
        (
            f"{{failed}} of {{total}} items failed; first cause: {{symbol}} {outcome}: {{why}}",
            f"{{total}}件中{{failed}}件が失敗しました。最初の原因：{{symbol}} {outcome}：{{why}}",
        )
        for outcome in ("rate_limited", "provider_error", "invalid", "write_failed", "failed")
    ),
    (
        "{failed} of {total} items failed; first cause: {why}",
        "{total}件中{failed}件が失敗しました。最初の原因：{why}",
    ),
    ("the worker process died", "ワーカーのプロセスが異常終了"),
    ("the worker was not heard of for {seconds} s", "ワーカーから{seconds}秒間連絡なし"),
    (
        "the worker process was alive, but sent no heartbeat for {seconds} s",
        "ワーカーのプロセスは動作中だが、{seconds}秒間ハートビートなし",
    ),
    ("in {n} of {attempts} attempts {why} (last: {worker})", "{attempts}回の試行のうち{n}回：{why}（最後：{worker}）"),
    ("given up after {attempts} attempt: {why}", "{attempts}回の試行で処理を打ち切りました：{why}"),
    ("given up after {attempts} attempts: {why}", "{attempts}回の試行で処理を打ち切りました：{why}"),
    ("given up after {attempts} attempt", "{attempts}回の試行で処理を打ち切りました"),
    ("given up after {attempts} attempts", "{attempts}回の試行で処理を打ち切りました"),
    ("the form had an unknown market or interval", "フォームの市場または足種が正しくありません"),
    ("{failed} of {total} items failed", "{total}件中{failed}件が失敗しました"),
    (
        "the request was not authenticated, and this answer depends on the caller",
        "認証されていません。この応答は呼び出し側によって異なります",
    ),
    (
        "the form was not UTF-8, or had more than {most} fields",
        "フォームがUTF-8でないか、項目が{most}個を超えています",
    ),
    (
        "the action was {action}, expected retry, again or cancel",
        "操作が{action}です。retry、again、cancel のいずれかを指定してください",
    ),
    (
        "{n} jobs were chosen, expected 1 to {most}, each as queue/id",
        "{n}件のジョブが選択されました。1～{most}件を queue/id の形で指定してください",
    ),
    ("the form had no session", "フォームに立会日がありません"),
    (
        "the change was {change}, expected password or one of {names}",
        "変更の種類が {change} です。password か {names} のいずれかにしてください",
    ),
    ("job {job_id} is not a backfill of one interval", "ジョブ {job_id} は1種類の足の欠損の補完ではありません"),
    ("max_late_h was {text}, expected a number of hours", "max_late_h が {text} です。時間数を指定してください"),
    ("the request was not JSON: {why}", "リクエストがJSONではありません：{why}"),
    ("there is no such static file", "その静的ファイルはありません"),
    ("job {job_id} does not exist: an id is 32 hex digits", "ジョブ {job_id} はありません。IDは16進数32桁です"),
    ("job {job_id} does not exist in queue {queue}", "ジョブ {job_id} はキュー {queue} にありません"),
    ("job {job_id} is not in the ledger", "ジョブ {job_id} はジョブ台帳にありません"),
    (
        "schedule {schedule} does not exist: an id is 32 hex digits",
        "スケジュール {schedule} はありません。IDは16進数32桁です",
    ),
    (
        "webhook {webhook} does not exist: an id is msg_ and 32 hex digits",
        "Webhook {webhook} はありません。IDは msg_ と16進数32桁です",
    ),
    ("Not Found", "このURLはありません"),
    ("Method Not Allowed", "使えるメソッドは Allow ヘッダーにあります"),
    (
        "job {job_id} was {status}, expected one that is not final",
        "ジョブ {job_id} はすでに終了しています（{status}）",
    ),
    (
        "job {job_id} was {status}: wait for its end, or cancel it first",
        "ジョブ {job_id} は終了していません（{status}）。終了を待つか、先に中止してください",
    ),
    (
        "job {job_id} was {status}: cancel it before you delete it",
        "ジョブ {job_id} は終了していません（{status}）。削除する前に中止してください",
    ),
    (
        "job {job_id} was {status} with nothing left to retry",
        "ジョブ {job_id} （{status}）に再試行するものは残っていません",
    ),
    (
        "the job is being restored to Redis: try again in a few seconds",
        "ジョブをRedisに復元しています。数秒後にもう一度お試しください",
    ),
    (
        "the Idempotency-Key came with another request before: a new request needs a new key",
        "このIdempotency-Keyは別のリクエストで使用済みです。新しいリクエストには新しいキーを指定してください",
    ),
    (
        "the job of this Idempotency-Key, {job_id}, was deleted: a new job needs a new key",
        "このIdempotency-Keyのジョブ {job_id} は削除されています。新しいジョブには新しいキーを指定してください",
    ),
    (
        "the same request kept finishing while it was submitted: try again",
        "投入中に同じリクエストのジョブが終了し続けました。もう一度お試しください",
    ),
    (
        "a schedule named {name} exists already: choose another name",
        "{name} というスケジュールはすでにあります。別の名前にしてください",
    ),
    ("there are {count} schedules already, which is the limit", "スケジュールが上限の{count}件に達しています"),
    (
        "webhook {webhook} was {status}, expected one that is delivered or dead",
        "Webhook {webhook} は {status} です。再送できるのは delivered か dead のものだけです",
    ),
    (
        "{count} streams and waits are open, which is the limit of a caller",
        "開いているストリームと待機が上限の{count}件に達しています",
    ),
    (
        "{count} streams and waits are open, which is the limit of an owner",
        "このチームの開いているストリームと待機が上限の{count}件に達しています",
    ),
    (
        "{count} streams and waits are open, which is the limit of the callers of an owner who are not admins",
        "管理者以外が開いているストリームと待機が上限の{count}件に達しています",
    ),
    (
        "an address without a valid token may make {count} calls in {seconds} s",
        "トークンのない呼び出しは、アドレスごとに{seconds}秒間で{count}回までです。上限に達しました",
    ),
    (
        "this caller may make {count} reads in {seconds} s",
        "このトークンの読み取りは{seconds}秒間で{count}回までです。上限に達しました",
    ),
    (
        "this caller may make {count} writes in {seconds} s",
        "このトークンの書き込みは{seconds}秒間で{count}回までです。上限に達しました",
    ),
    (
        "all callers of this owner may make {count} reads in {seconds} s",
        "このチーム全体の読み取りは{seconds}秒間で{count}回までです。上限に達しました",
    ),
    (
        "all callers of this owner may make {count} writes in {seconds} s",
        "このチーム全体の書き込みは{seconds}秒間で{count}回までです。上限に達しました",
    ),
    ("the JWT has expired: log in again", "JWTの有効期限が切れています。ログインし直してください"),
    (
        "the request had no valid token: send x-ingest-token, a bearer token or the cookie of a session",
        "有効なトークンがありません。x-ingest-token ヘッダー、Bearerトークン、ログインのCookieのいずれかを送ってください",
    ),
    ("the body was over {most} bytes, which is the limit", "本文が上限の{most}バイトを超えています"),
    (
        "the body was over {most} bytes with the framing of its chunks",
        "本文がチャンクの枠を含めて{most}バイトを超えています",
    ),
    ("the connection ended before the body did", "本文の途中で接続が切れました"),
    ("the request had more than one Host header, expected one", "Host ヘッダーが2つ以上あります"),
    ("the error is in our logs under this request_id", "詳細は、この request_id でサーバーのログに記録されています"),
    ("the Content-Type was not application/json", "Content-Type が application/json ではありません"),
    ("the body could not be parsed as JSON", "本文をJSONとして解析できません"),
    ("the request was not valid HTTP/1.1", "HTTP/1.1のリクエストとして正しくありません"),
    (
        "the request line and its headers were over {bytes} bytes or {count} headers",
        "リクエスト行とヘッダーが{bytes}バイトまたは{count}個を超えています",
    ),
    (
        "the request was not complete {seconds} s after it began",
        "開始から{seconds}秒以内にリクエストが完了しませんでした",
    ),
    (
        "a Kaboom already runs on {data_dir} (pid {pid}): its lock file was removed; stop it",
        "{data_dir} では別のKaboomがすでに動いています（pid {pid}）。ロックファイルが削除されているため、停止してください",
    ),
    (
        "{folder} is a mount point, which cannot be replaced: name a folder in it",
        "{folder} はマウントポイントのため置き換えられません。その中のフォルダーを指定してください",
    ),
    (
        "{folder} is there and not empty: name a folder that is empty or not there",
        "{folder} はすでにあり、空ではありません。空のフォルダーか、まだないフォルダーを指定してください",
    ),
    (
        "Kaboom {version} made this backup, which is newer than {own}",
        "このバックアップはKaboom {version} で作成されており、{own} より新しいものです",
    ),
    (
        "{folder} is not a complete backup: it has no {name}",
        "{folder} は完全なバックアップではありません。{name} がありません",
    ),
    (
        "the ledger of this backup is of a newer Kaboom: migration {revision} is unknown here",
        "このバックアップのジョブ台帳は新しいKaboomのものです。マイグレーション {revision} はこのリリースにありません",
    ),
    (
        "there is no data folder {folder}: name it with --data-dir",
        "データフォルダー {folder} がありません。--data-dir で指定してください",
    ),
    ("the backup is damaged: {why}", "バックアップが壊れています：{why}"),
    ("{path} cannot be read", "{path} を読み取れません"),
    ("{path} does not match its checksum", "{path} がチェックサムと一致しません"),
    ("{path} is not in the manifest", "{path} はマニフェストにありません"),
    ("{path} is not a file of the backup", "{path} はバックアップのファイルではありません"),
    ("{path} is missing", "{path} がありません"),
    (
        "the ledger has {rows} rows after the restore, expected {expected}",
        "復元後のジョブ台帳が{rows}行で、本来の{expected}行と一致しません",
    ),
    (
        "{folder} has {free} bytes free, the bars alone take {needed}",
        "{folder} の空きは{free}バイトですが、足だけで{needed}バイト必要です",
    ),
)
