"""What `kaboom up`, `demo`, `smoke` and the token commands say, and every command about the server."""

from kaboom.text.language import Pair

STACK_WORDS: dict[str, Pair] = {
    "starting": ("starting {what} …", "{what} を起動しています"),
    "orphans": (
        "ended {count} process groups that a killed Kaboom had left",
        "前回強制終了されたKaboomの残りのプロセスを{count}組終了しました",
    ),
    "redis_set_aside": (
        "the embedded Redis's append-only log is damaged ({reason}) and was moved to {path}: Redis starts empty, and unfinished jobs are restored from the ledger",
        "組み込みRedisの追記ログが壊れているため（{reason}）、{path} に退避しました。Redisは空の状態で起動し、未完了のジョブはジョブ台帳から復元されます",
    ),
    "folder_replaced": (
        "the data folder {data_dir} was removed or replaced: processes that end are not restarted until it is back; stop this Kaboom",
        "データフォルダー {data_dir} が削除されたか置き換えられました。元に戻るまで、終了したプロセスは再起動されません。このKaboomを停止してください",
    ),
    "disk_full": (
        "{why}: jobs wait until there is room, and processes that end start again by themselves",
        "{why}。空きができるまでジョブは待機し、終了したプロセスは自動的に再起動されます",
    ),
    "disk_has_room": (
        "the disk of {data_dir} has room again: jobs go on",
        "{data_dir} のディスクに空きができました。ジョブは再開されます",
    ),
    "token_created": (
        "ingest token created and kept in {path}; shown only this once: {token}",
        "取り込みトークンを作成し、{path} に保存しました。この1回しか表示されません：{token}",
    ),
    "ready": (
        "Kaboom is ready on {api_url}  (data: {data_dir}, stop: Ctrl-C)",
        "Kaboomの準備ができました：{api_url} （データ：{data_dir} 、停止：Ctrl-C）",
    ),
    "dashboard": ("dashboard: {url}", "ダッシュボード：{url}"),
    "stopping": ("stopping …", "停止しています"),
    "stopped": (
        "stopped; everything that was accepted is kept in {data_dir}",
        "停止しました。受け付けた内容はすべて {data_dir} に保存されています",
    ),
    "already_running": (
        "a Kaboom already runs on {data_dir} (pid {pid}, {api_url}): use it, stop it, or give another --data-dir",
        "{data_dir} では別のKaboomがすでに動いています（pid {pid} 、{api_url} ）。それを使うか、停止するか、別の --data-dir を指定してください",
    ),
    "port_taken": (
        "port {port} is taken by another program: give another --port",
        "ポート {port} はほかのプログラムが使用中です。別の --port を指定してください",
    ),
    "no_server": (
        "no Kaboom to talk to: run `kaboom up`, or give --api-url or KABOOM_API_URL",
        "接続先のKaboomがありません。`kaboom up` を実行するか、--api-url または KABOOM_API_URL を指定してください",
    ),
    "unreachable": (
        "{url} did not answer ({reason}): check that it runs, with `kaboom doctor`",
        "{url} から応答がありません（{reason}）。起動しているかどうかは `kaboom doctor` で確認できます",
    ),
    "not_written": ("{path} could not be written: {reason}", "{path} に書き込めません：{reason}"),
    "problem": ("{text} (request {request_id})", "{text}（リクエスト {request_id} ）"),
    "strange_answer": (
        "{url} answered as no Kaboom of this version does ({found}): look at --api-url and KABOOM_API_URL",
        "{url} の応答は、このバージョンのKaboomのものではありません（{found}）。--api-url と KABOOM_API_URL を確かめてください",
    ),
    "not_json": ("the answer was something else than JSON", "JSON以外の応答"),
    "no_token": (
        "no ingest token: set INGEST_API_TOKEN, or run where {path} can be read",
        "取り込みトークンがありません。INGEST_API_TOKEN を設定するか、{path} を読める場所で実行してください",
    ),
    "token_missing": (
        "no value on stdin: pipe one in, such as: kaboom token rotate < .kaboom/ingest-token",
        "標準入力に値がありません。例：kaboom token rotate < .kaboom/ingest-token",
    ),
    "token_rotates": (
        "the value already holds {count} tokens: switch all callers to the first, then run `kaboom token revoke`",
        "値にはすでに{count}個のトークンがあります。呼び出し側をすべて先頭のものに切り替えてから `kaboom token revoke` を実行してください",
    ),
    "token_rotated": (
        "save both and restart with them; then switch all callers to the first, and run `kaboom token revoke`",
        "両方を保存して再起動し、呼び出し側をすべて先頭のものに切り替えてから `kaboom token revoke` を実行してください",
    ),
    "token_alone": (
        "the value holds only one token, and nothing would replace it: run `kaboom token rotate` first",
        "値にはトークンが1個しかなく、代わりがありません。先に `kaboom token rotate` を実行してください",
    ),
    "token_revoked": (
        "{count} removed; still valid until all processes have restarted with the new value",
        "{count}個を取り除きました。すべてのプロセスが新しい値で再起動するまでは有効です",
    ),
    "smoke_passed": (
        "all {total} checks passed after {seconds:.0f} s",
        "{seconds:.0f}秒で{total}項目すべてを確認しました",
    ),
    "smoke_failed": (
        "{count} of {total} checks failed after {seconds:.0f} s",
        "{seconds:.0f}秒待ちましたが、{total}項目中{count}項目を確認できません",
    ),
    "smoke_answers": ("answers and is healthy", "応答し、問題ありません"),
    "smoke_workers": ("{count}: {names}", "{count}台：{names}"),
    "smoke_nobody": ("no worker", "ワーカーがありません"),
    "smoke_other_release": (
        "no worker of this release; {count} of {releases}",
        "このリリースのワーカーがありません。{releases} のワーカーが{count}台あります",
    ),
    "smoke_consumed": ("all {count} are consumed", "{count}個すべてが処理されています"),
    "smoke_unconsumed": ("no worker consumes {queues}", "{queues} を処理するワーカーがありません"),
    "smoke_alone": ("no other release is left", "別のリリースは残っていません"),
    "smoke_left": ("of another release: {names}", "別のリリースが残っています：{names}"),
    "demo_days": (
        "a year of daily bars of three symbols, to test strategies on: job {job_id}",
        "バックテスト用に3銘柄の日足を1年分取り込みます：ジョブ {job_id}",
    ),
    "demo_chart": ("a chart of them: {url}", "チャート：{url}"),
    "demo_activate": (
        "for the commands here, first run in another terminal: {command}",
        "ここにあるコマンドは、別のターミナルで先に次を実行してから使います：{command}",
    ),
    "demo_backtest": (
        "in another terminal: kaboom backtest run sma_cross --symbol 7203 --interval 1d --wait",
        "別のターミナルで試せます：kaboom backtest run sma_cross --symbol 7203 --interval 1d --wait",
    ),
    "stays_up": (
        "Kaboom stays up on {api_url}; Ctrl-C stops it",
        "Kaboomは {api_url} で動き続けます。Ctrl-C で停止します",
    ),
    "more_faults": (
        "{count:,} more of {part}: `kaboom doctor --limit 0` or --json shows all",
        "{part} にはほかに{count:,}件あります。すべて表示するには `kaboom doctor --limit 0` または --json を使ってください",
    ),
}
