"""What `kaboom backup` and `kaboom restore` say."""

from kaboom.text.language import Pair

FOLDER_WORDS: dict[str, Pair] = {
    "backup_part": ("copying the {what} …", "{what} をコピーしています"),
    "part_ledger": ("ledger", "ジョブ台帳"),
    "backup_files": ("{what}: {done:,} of {total:,} files", "{what}：{total:,}ファイル中{done:,}ファイル"),
    "backup_lacks_ledger": (
        "not in this backup: the jobs. They are in no PostgreSQL of this data folder; back up the database of DATABASE_URL with pg_dump",
        "このバックアップにジョブは含まれません。ジョブはこのデータフォルダーのPostgreSQLにはないため、DATABASE_URL のデータベースを pg_dump で保存してください",
    ),
    "backup_lacks_bars": (
        "not in this backup: the bars and corporate actions. They are in InfluxDB; back it up with its own tool",
        "このバックアップに足とコーポレートアクションは含まれません。InfluxDBにあるため、InfluxDBのバックアップ機能で保存してください",
    ),
    "backup_lacks_always": (
        "not in any backup: secrets (the ingest token, the webhook secret, keys of providers, the keys of logins), browser sessions, logs, the contents of Redis (job logs and events), and files that can be made again (mirror, indicators, downloads)",
        "どのバックアップにも含まれないもの：秘密情報（取り込みトークン、Webhookの署名鍵、データ提供元のキー、ログインの署名鍵）、ブラウザーのログイン状態、ログ、Redisの内容（ジョブのログとイベント）、再作成できるファイル（ミラー、指標、ダウンロード）",
    ),
    "backup_done": (
        "backup made in {folder}: {jobs:,} jobs, {bars:,} bars, {files:,} files, {bytes:,} bytes",
        "{folder} にバックアップを作成しました：ジョブ{jobs:,}件、足{bars:,}本、{files:,}ファイル、{bytes:,}バイト",
    ),
    "restore_checked": ("checked {done:,} of {total:,} files", "{total:,}ファイル中{done:,}ファイルを検証しました"),
    "restore_elsewhere": (
        "DATABASE_URL is set, so `kaboom up` would not use the restored ledger: unset it, or restore {path} to that database with pg_restore",
        "DATABASE_URL が設定されているため、`kaboom up` は復元したジョブ台帳を使いません。設定を外すか、{path} を pg_restore でそのデータベースに復元してください",
    ),
    "restore_trust": (
        "restore only backups that you made: the users, passwords, API tokens, schedules and callback URLs of this one will be valid here. Its SQL is not executed, only rows are copied. Everybody logs in again",
        "自分で作成したバックアップだけを復元してください。このバックアップのユーザー、パスワード、APIトークン、スケジュール、コールバックURLが有効になります。含まれるSQLは実行せず、行だけをコピーします。全員の再ログインが必要です",
    ),
    "restore_skipped": (
        "not restored, since Kaboom does not make them: the tables {tables}",
        "Kaboomのテーブルではないため復元しませんでした：{tables}",
    ),
    "restore_done": (
        "restored to {data_dir}: {jobs:,} jobs, {bars:,} bars as of {made_at}; start it with: kaboom --data-dir {data_dir} up",
        "{made_at} 時点のジョブ{jobs:,}件と足{bars:,}本を {data_dir} に復元しました。起動するには：kaboom --data-dir {data_dir} up",
    ),
}
