"""Every message of the command line, in English and Japanese."""

import locale
import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from batch.providers.spec import Terms

type Language = Literal["en", "ja"]

#: name → (English, Japanese); both take the same fields, which `tests/app/cli/test_words.py` checks.
WORDS: dict[str, tuple[str, str]] = {
    "starting": ("starting {what} …", "{what} を起動しています…"),
    "orphans": (
        "ended {count} process groups that a killed Kaboom had left",
        "前回強制終了された Kaboom の残りプロセス {count} 組を終了しました",
    ),
    "redis_set_aside": (
        "the embedded Redis's append-only log is damaged ({reason}), and is kept in {path}: Redis starts empty, and unfinished jobs come back from the ledger",
        "組み込み Redis の追記ログが壊れているため({reason})、{path} に退避しました。Redis は空の状態で起動し、未完了のジョブは台帳から復元されます",
    ),
    "folder_replaced": (
        "the data folder {data_dir} was removed or replaced: what ends is not restarted until it is back; stop this Kaboom",
        "データフォルダー {data_dir} が削除されたか置き換えられました。元に戻るまで、終了したプロセスは再起動しません。この Kaboom を停止してください",
    ),
    "backup_part": ("copying the {what} …", "{what} をコピーしています…"),
    "backup_files": ("{what}: {done:,} of {total:,} files", "{what}: {total:,} ファイル中 {done:,} 件"),
    "backup_lacks_ledger": (
        "not in this backup: the jobs. They are in no PostgreSQL of this data folder; back up the one of DATABASE_URL with pg_dump",
        "このバックアップにジョブは含まれません。ジョブはこのデータフォルダーの PostgreSQL にはないため、DATABASE_URL のデータベースを pg_dump で保存してください",
    ),
    "backup_lacks_bars": (
        "not in this backup: the bars and corporate actions. They are in InfluxDB; back it up with its own tool",
        "このバックアップに足とコーポレートアクションは含まれません。InfluxDB にあるため、InfluxDB のバックアップ機能で保存してください",
    ),
    "backup_lacks_always": (
        "not in any backup: secrets (the ingest token, the webhook secret, keys of providers), logs, what Redis holds (job logs and events), and what can be made again (mirror, indicators, downloads)",
        "どのバックアップにも含まれないもの: 秘密情報(取り込みトークン、Webhook の署名鍵、データ提供元のキー)、ログ、Redis の内容(ジョブのログとイベント)、再作成できるもの(ミラー、指標、ダウンロード)",
    ),
    "backup_done": (
        "backup made in {folder}: {jobs:,} jobs, {bars:,} bars, {files:,} files, {bytes:,} bytes",
        "{folder} にバックアップを作成しました: ジョブ {jobs:,} 件、足 {bars:,} 本、{files:,} ファイル、{bytes:,} バイト",
    ),
    "restore_checked": ("checked {done:,} of {total:,} files", "{total:,} ファイル中 {done:,} 件を検証しました"),
    "restore_elsewhere": (
        "DATABASE_URL is set, so that `kaboom up` would not use the restored ledger: unset it, or restore {path} there with pg_restore",
        "DATABASE_URL が設定されているため、`kaboom up` は復元した台帳を使いません。設定を外すか、{path} を pg_restore でそのデータベースに復元してください",
    ),
    "restore_done": (
        "restored to {data_dir}: {jobs:,} jobs, {bars:,} bars as of {made_at}; start it with: kaboom --data-dir {data_dir} up",
        "{made_at} 時点のジョブ {jobs:,} 件と足 {bars:,} 本を {data_dir} に復元しました。起動するには: kaboom --data-dir {data_dir} up",
    ),
    "token_created": (
        "ingest token created and kept in {path}; shown only this once: {token}",
        "取り込みトークンを作成し {path} に保存しました。表示は今回だけです: {token}",
    ),
    "ready": (
        "Kaboom is ready on {api_url}  (data: {data_dir}, stop: Ctrl-C)",
        "Kaboom の準備ができました: {api_url}(データ: {data_dir}、停止: Ctrl-C)",
    ),
    "stopping": ("stopping …", "停止しています…"),
    "stopped": (
        "stopped; everything acknowledged is kept in {data_dir}",
        "停止しました。データは {data_dir} に残っています",
    ),
    "already_running": (
        "a Kaboom already runs on {data_dir} (pid {pid}, {api_url}): use it, stop it, or give another --data-dir",
        "{data_dir} では Kaboom がすでに動いています(pid {pid})。{api_url} を使うか、停止するか、別の --data-dir を指定してください",
    ),
    "port_taken": (
        "port {port} is taken by another program: give another --port",
        "ポート {port} は使用中です。別の --port を指定してください",
    ),
    "no_server": (
        "no Kaboom to talk to: run `kaboom up`, or give --api-url or KABOOM_API_URL",
        "接続先の Kaboom がありません。`kaboom up` を実行するか、--api-url または KABOOM_API_URL を指定してください",
    ),
    "unreachable": (
        "{url} did not answer ({reason}): is it running? `kaboom doctor` looks",
        "{url} から応答がありません({reason})。起動していますか? `kaboom doctor` で確認できます",
    ),
    "no_token": (
        "no ingest token: set INGEST_API_TOKEN, or run where {path} can be read",
        "取り込みトークンがありません。INGEST_API_TOKEN を設定するか、{path} を読める場所で実行してください",
    ),
    "token_missing": (
        "no value on stdin: pipe one in, such as: kaboom token rotate < .kaboom/ingest-token",
        "標準入力に値がありません。例: kaboom token rotate < .kaboom/ingest-token",
    ),
    "token_rotates": (
        "the value holds {count} already: let all callers take the first, then `kaboom token revoke`",
        "値にはすでに {count} 個あります。呼び出し側をすべて先頭のものに切り替えてから `kaboom token revoke` を実行してください",
    ),
    "token_rotated": (
        "keep both and restart with them; then let callers take the first, and at last `kaboom token revoke`",
        "両方を保存して再起動し、呼び出し側を先頭のものに切り替え、最後に `kaboom token revoke` を実行してください",
    ),
    "token_alone": (
        "the value holds one only, which nothing would replace: `kaboom token rotate` first",
        "値は 1 個だけで、代わりがありません。先に `kaboom token rotate` を実行してください",
    ),
    "token_revoked": (
        "{count} taken out; still good until all processes have restarted with the new value",
        "{count} 個を取り除きました。すべてのプロセスが新しい値で再起動するまでは有効です",
    ),
    "submitted": ("job {job_id} accepted", "ジョブ {job_id} を受け付けました"),
    "detached": (
        "the job goes on; follow it with: kaboom jobs watch {job_id}",
        "ジョブは続いています。続きを見るには: kaboom jobs watch {job_id}",
    ),
    "wait_timed_out": (
        "gave up waiting after {timeout_s:g} s; the job goes on: kaboom jobs watch {job_id}",
        "{timeout_s:g} 秒待ちましたが終わりません。ジョブは続いています: kaboom jobs watch {job_id}",
    ),
    "no_jobs": (
        "no jobs yet; submit one: kaboom ingest run-daily --wait",
        "ジョブはまだありません。投入するには: kaboom ingest run-daily --wait",
    ),
    "no_schedules": (
        "no schedules yet; add one: kaboom schedules add 'daily ingest' --session-at 16:35",
        "スケジュールはまだありません。追加するには: kaboom schedules add 'daily ingest' --session-at 16:35",
    ),
    "schedule_is_on": (
        "{schedule} fires next at {next_at} JST",
        "{schedule} の次回実行は {next_at}(日本時間)です",
    ),
    "schedule_is_off": (
        "{schedule} is off; turn it on with: kaboom schedules enable '{schedule}'",
        "{schedule} は無効です。有効にするには: kaboom schedules enable '{schedule}'",
    ),
    "schedule_removed": (
        "schedule {schedule} removed; its jobs stay",
        "スケジュール {schedule} を削除しました。ジョブは残ります",
    ),
    "no_webhooks": (
        "no webhooks; ask for one: kaboom ingest run-daily --callback-url https://…",
        "Webhook はありません。通知を受けるには: kaboom ingest run-daily --callback-url https://…",
    ),
    "webhook_replayed": (
        "webhook {webhook_id} is sent again; see: kaboom webhooks show {webhook_id}",
        "Webhook {webhook_id} を再送します。確認するには: kaboom webhooks show {webhook_id}",
    ),
    "no_jobs_found": ("no job mentions {q}", "{q} に該当するジョブはありません"),
    "no_bars": (
        "no bars of {what} in {place}; take some: kaboom ingest run-daily --wait",
        "{place} に {what} の足はありません。取り込むには: kaboom ingest run-daily --wait",
    ),
    "nothing_missing": ("nothing is missing", "欠けているものはありません"),
    "gaps_found": (
        "{interval}: {cells:,} symbol sessions of {symbols:,} symbols ({states})",
        "{interval}: 銘柄 {symbols:,}・銘柄日数 {cells:,} 件({states})",
    ),
    "repair": ("take what is missing with: {command}", "欠けている分を取り込むには: {command}"),
    "more_faults": (
        "{count:,} more of {part}: `kaboom doctor --limit 0` or --json shows all",
        "{part} にはほかに {count:,} 件あります。すべて表示するには: `kaboom doctor --limit 0` または --json",
    ),
    "nothing_damaged": ("nothing is damaged in {place}", "{place} に破損はありません"),
    "not_repairable": (
        "bars are kept in {place}, which Kaboom cannot repair: use the server's own tools",
        "足は {place} にあり、Kaboom では修復できません。サーバー付属のツールを使ってください",
    ),
    "not_submitted": (
        "the backfill could not be submitted: {reason}",
        "バックフィルを投入できませんでした: {reason}",
    ),
    "symbols_guessed": (
        "a damaged file did not tell its symbols: those of the source's other files are taken",
        "破損したファイルから銘柄を読み取れないため、同じ取得元のほかのファイルにある銘柄を取り込みます",
    ),
    "suspects": (
        "{count:,} symbol sessions are short, lack the closing auction or differ from their day; to take these too: --include-short",
        "本数が少ない、大引けがない、または日足と一致しない銘柄日数 {count:,} 件。これらも取り込むには: --include-short",
    ),
    "no_actions": (
        "no corporate actions of {source}; an ingest notes them, and `kaboom actions add` takes yours",
        "{source} のコーポレートアクションはありません。取り込みが記録し、`kaboom actions add` で追加できます",
    ),
    "no_such_action": (
        "{source} has no action of {symbol} on {ex_session}; add one: kaboom actions add {symbol} {ex_session} 1/2",
        "{source} に {symbol} の {ex_session} のアクションはありません。追加するには: kaboom actions add {symbol} {ex_session} 1/2",
    ),
    "actions_suspected": (
        "{count:,} suspected, and not applied; to judge: kaboom actions confirm|reject {symbol} {ex_session}",
        "{count:,} 件は疑いのみで適用されません。判断するには: kaboom actions confirm|reject {symbol} {ex_session}",
    ),
    "action_kept": (
        "{state} for the bars of {source}; raw bars stay as they are",
        "{source} の足に対して {state} としました。未調整の足は変わりません",
    ),
    "exported": (
        "{bars:,} bars in {files:,} files, {bytes:,} bytes",
        "足 {bars:,} 本・ファイル {files:,} 個・{bytes:,} バイト",
    ),
    "choose_source": (
        "bars of several sources are held ({sources}): choose one with --source",
        "複数の取得元の足があります({sources})。--source で選んでください",
    ),
    "source_chosen": (
        "bars of {source}; also held, for --source: {others}",
        "{source} の足です。ほかに --source で選べる取得元: {others}",
    ),
    "cancelled": ("cancelling job {job_id}", "ジョブ {job_id} を取り消しています"),
    "deleted": ("job {job_id} deleted; its bars stay", "ジョブ {job_id} を削除しました。足は残ります"),
    "never_listed": (
        "no list names {symbol}; import JPX's of another date: kaboom symbols import data_j.xls",
        "{symbol} はどの一覧にもありません。別の日付の一覧を取り込むには: kaboom symbols import data_j.xls",
    ),
    "imported": (
        "imported {count} listings as of {as_of}: {path}",
        "{as_of} 時点の銘柄 {count} 件を取り込みました: {path}",
    ),
    "made_up": (
        "source: {source} — generated, not market data",
        "取得元: {source}(生成データです。実際の相場ではありません)",
    ),
    "source": ("source: {source}", "取得元: {source}"),
    "outcomes_sum": (
        "{total:,} asked for ({what}), {sum:,} outcomes: every one is accounted for",
        "対象 {total:,} 件({what})・結果 {sum:,} 件: すべての結果が揃っています",
    ),
    "outcomes_missing": (
        "{total:,} asked for ({what}), {sum:,} outcomes, {cancelled:,} cancelled",
        "対象 {total:,} 件({what})・結果 {sum:,} 件・取消 {cancelled:,} 件",
    ),
    "symbols_of": ("symbols of {intervals}", "{intervals} の銘柄"),
    "symbols": ("symbols", "銘柄"),
    "files": ("files", "ファイル"),
    "smoke_passed": (
        "all {total} checks passed after {seconds:.0f} s",
        "{seconds:.0f} 秒で {total} 項目すべてを確認しました",
    ),
    "smoke_failed": (
        "{count} of {total} checks failed after {seconds:.0f} s",
        "{seconds:.0f} 秒待ちましたが、{total} 項目中 {count} 項目を確認できません",
    ),
    "smoke_answers": ("answers, and is as it should be", "応答し、問題ありません"),
    "smoke_workers": ("{count}: {names}", "{count} 件: {names}"),
    "smoke_nobody": ("no worker", "ワーカーがありません"),
    "smoke_other_release": (
        "none of this release; {count} of {releases}",
        "このリリースのワーカーがありません。{releases} のワーカー: {count} 件",
    ),
    "smoke_consumed": ("all {count} are consumed", "{count} 本すべてが処理されています"),
    "smoke_unconsumed": ("nobody consumes {queues}", "{queues} を処理するワーカーがありません"),
    "smoke_alone": ("no other release is left", "別のリリースは残っていません"),
    "smoke_left": ("of another release: {names}", "別のリリースが残っています: {names}"),
    "next": ("where to look next", "次に見るもの"),
    "stays_up": (
        "Kaboom stays up on {api_url}; Ctrl-C stops it",
        "Kaboom は {api_url} で動き続けます。Ctrl-C で停止します",
    ),
}

OUTCOME_WORDS: dict[str, tuple[str, str]] = {
    "ok": ("bars written", "足を保存"),
    "no_trades": ("listed, but nothing traded", "上場しているが約定なし"),
    "not_listed": ("not listed on that day", "その日は上場していない"),
    "rate_limited": ("the provider refused: too many calls", "取得元の呼び出し上限"),
    "provider_error": ("the provider failed", "取得元のエラー"),
    "invalid": ("every row failed the quality checks", "全行が品質検査で不合格"),
    "write_failed": ("could not be stored", "保存に失敗"),
}


def choose_language(wanted: str | None = None) -> Language:
    """Return the language asked for, else that of the environment."""
    text = wanted or os.environ.get("KABOOM_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    text = text or (locale.getlocale()[0] or "")
    return "ja" if text.lower().startswith("ja") else "en"


class Speaker:
    """Says messages in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def say(self, name: str, **values: object) -> str:
        """Return a message with its fields filled."""
        return self._pick(WORDS[name]).format(**values)

    def outcome(self, outcome: str) -> str:
        """Return what an outcome means."""
        return self._pick(OUTCOME_WORDS[outcome])

    def terms(self, terms: "Terms") -> str:
        """Return what the data of a provider may be used for."""
        return self._pick((terms.en, terms.ja)).format(url=terms.url)

    def _pick(self, texts: tuple[str, str]) -> str:
        return texts[1] if self.language == "ja" else texts[0]
