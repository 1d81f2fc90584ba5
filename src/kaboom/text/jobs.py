"""What the commands on jobs, schedules and webhooks say."""

from kaboom.text.language import Pair

JOB_WORDS: dict[str, Pair] = {
    "left_out": ("note: {what}", "補足：{what}"),
    "delisted": (
        "{count:,} symbols of the list of {as_of} are delisted: not asked for",
        "{as_of} の一覧のうち{count:,}銘柄は上場廃止のため対象外です",
    ),
    "submitted": ("job {job_id} accepted", "ジョブ {job_id} を受け付けました"),
    "detached": (
        "the job goes on; follow it with: kaboom jobs watch {job_id}",
        "ジョブは続いています。経過を見るには：kaboom jobs watch {job_id}",
    ),
    "wait_timed_out": (
        "stopped waiting after {timeout_s:g} s; the job goes on: kaboom jobs watch {job_id}",
        "{timeout_s:g}秒待ちましたが終わりません。ジョブは続いています：kaboom jobs watch {job_id}",
    ),
    "no_such_job": (
        "job {job_id} does not exist in any queue: an id is 32 hex digits, as `kaboom jobs list` shows it",
        "ジョブ {job_id} はどのキューにもありません。IDは16進数32桁です（`kaboom jobs list` で確認できます）",
    ),
    "no_jobs": (
        "no jobs yet; submit one: kaboom ingest run-daily --wait",
        "ジョブはまだありません。投入するには：kaboom ingest run-daily --wait",
    ),
    "no_lines": (
        "the log has no line at level {level} or above; new lines can take a few seconds to arrive",
        "{level} 以上のログはありません。新しい行が届くまで数秒かかることがあります",
    ),
    "no_dead_letters": ("no chunk was given up", "処理を打ち切ったチャンクはありません"),
    "no_jobs_match": (
        "no job is in this state or queue; for all jobs: kaboom jobs list",
        "この状態・キューのジョブはありません。すべてのジョブを見るには：kaboom jobs list",
    ),
    "no_jobs_found": ("no job mentions {q}", "{q} に該当するジョブはありません"),
    "no_jobs_found_since": (
        "no job since {at} mentions {q}; search older ones: --cursor {cursor}",
        "{at} 以降で {q} に該当するジョブはありません。さらに前を検索するには：--cursor {cursor}",
    ),
    "searched_back_to": (
        "searched the jobs since {at}; search older ones: --cursor {cursor}",
        "{at} 以降のジョブを検索しました。さらに前を検索するには：--cursor {cursor}",
    ),
    "no_alerts": ("nothing needs attention", "対応が必要なものはありません"),
    "alerts_unknown": ("could not be checked: {kinds}", "確認できませんでした：{kinds}"),
    "no_workers": (
        "no worker has reported in the last 15 minutes; start one: kaboom worker",
        "直近15分間に報告したワーカーはありません。起動するには：kaboom worker",
    ),
    "requests_per_minute": ("{n:,}/min", "毎分{n:,}回"),
    "requests_per_second": ("{n:,}/s", "毎秒{n:,}回"),
    "provider_default": ("{state} (default)", "{state}（既定）"),
    "provider_paused": (
        "{name} is paused until {until} JST: {reason}",
        "{name} は {until}（JST）まで休止中です：{reason}",
    ),
    "provider_pauses_unknown": (
        "Redis is unavailable, so it is unknown which providers are paused",
        "Redisが応答しないため、休止中のデータ提供元は分かりません",
    ),
    "trial_done": ("{done} answered", "{done}件の応答"),
    "trial_ok": ("answered", "応答あり"),
    "trial_own": ("Kaboom's own", "Kaboomの内蔵データ"),
    "trials_passed": ("all {total} questions were answered", "{total}件の問い合わせすべてに応答がありました"),
    "trials_failed": (
        "{failed} of {total} questions failed: the details say why",
        "{total}件中{failed}件の問い合わせが失敗しました。理由は詳細の列にあります",
    ),
    "stats_waiting": ("messages that wait", "待機中のメッセージ"),
    "cancelled": ("cancelling job {job_id}", "ジョブ {job_id} を中止しています"),
    "retried_as": ("job {job_id} runs again as {new}", "ジョブ {job_id} を {new} として再試行します"),
    "deleted": ("job {job_id} deleted; its bars stay", "ジョブ {job_id} を削除しました。足は残ります"),
    "next": ("where to look next:", "次に見るもの："),
    # Lines of a job: its headline and its progress.
    "join": (" · ", "、"),
    "job_head": ("{status}  job {job_id}", "{status} ジョブ {job_id}"),
    "job_session": ("session {session}", "立会日 {session}"),
    "job_session_open": ("session {session} (not final)", "立会日 {session}（未確定）"),
    "job_rows": ("{rows:,} rows", "{rows:,}行"),
    "job_requested": ("requested {at}", "受付 {at}"),
    "job_ended": ("ended {at}", "終了 {at}"),
    "job_speed": ("{seconds:.1f} s · {rate:,.0f} rows/s", "{seconds:.1f}秒、毎秒{rate:,.0f}行"),
    "job_took": ("{seconds:.1f} s", "{seconds:.1f}秒"),
    "job_error": ("{kind}: {message}", "{kind}：{message}"),
    "progress_done": ("{settled:,}/{total:,} {unit}", "{unit} {settled:,}/{total:,}"),
    "progress_rate": ("{rate} {unit}/s", "毎秒{rate}{unit}"),
    "progress_eta": ("ETA {eta_s:.0f} s", "残り約{eta_s:.0f}秒"),
    "progress_eta_range": ("ETA {low_s:.0f} to {high_s:.0f} s", "残り{low_s:.0f}～{high_s:.0f}秒"),
    "progress_no_eta": ("ETA not yet known", "残り時間を計算中"),
    "progress_planned": ("being planned", "計画中"),
    "progress_failed": ("{failed:,} failed", "失敗{failed:,}件"),
    "progress_paused": ("paused until {at} JST: {reason}", "{at} JSTまで休止：{reason}"),
    "not_ready": ("not ready: {reason}", "準備できていません：{reason}"),
    "no_worker_online": ("no worker is online: kaboom worker", "稼働中のワーカーがありません：kaboom worker"),
    "kernel_compiling": (
        "the worker compiles the fill model, once on its machine",
        "約定モデルをコンパイルしています（ワーカーのマシンごとに一度だけ）",
    ),
    "asked_again": ("{reason}; asking again for {seconds:.0f} s", "{reason}。{seconds:.0f}秒間は問い合わせを続けます"),
    "pause": ("paused {begins} to {ends} JST: {reason}", "休止 {begins}～{ends} JST：{reason}"),
    "symbols": ("symbols", "銘柄"),
    "symbol_count": ("{n:,} symbol || {n:,} symbols", "{n:,}銘柄"),
    "session_count": ("{n:,} session || {n:,} sessions", "{n:,}立会日"),
    "files": ("files", "ファイル"),
    "trials": ("steps", "ステップ"),
    "symbols_of": ("symbols of {intervals}", "{intervals}の銘柄"),
    "outcomes_sum": (
        "{total:,} asked for ({what}), {sum:,} outcomes: every one is accounted for",
        "対象{total:,}件（{what}）、結果{sum:,}件：すべての結果がそろっています",
    ),
    "outcomes_missing": (
        "{total:,} asked for ({what}), {sum:,} outcomes, {cancelled:,} cancelled",
        "対象{total:,}件（{what}）、結果{sum:,}件、中止{cancelled:,}件",
    ),
    "quality": ("quality: {counts}", "品質：{counts}"),
    "failures": ("failures ({total:,})", "失敗（{total:,}件）"),
    "list_changes": (
        "symbols as of {as_of}, since {previous}: {changes}",
        "{as_of} 時点の銘柄（{previous} からの変更）：{changes}",
    ),
    "first_list": ("symbols as of {as_of}, the first list: {changes}", "{as_of} 時点の銘柄（初回）：{changes}"),
    "drop": (
        "{source} {interval} before {before}: {bars:,} bars, {bytes:,} bytes",
        "{source} {interval}、{before} より前：{bars:,}本、{bytes:,}バイト",
    ),
    # Analyses.
    "analysis_head": ("{subject}: {verdict}, confidence {confidence}", "{subject}：{verdict}、確信度{confidence}"),
    "analysis_no_consensus": ("no consensus", "見解不一致"),
    "breaker_closed": ("models are asked again", "モデルへの問い合わせを再開しました"),
    "analysis_no_bars": ("no bars", "足なし"),
    "analysis_by": (
        "analyst {analyst}, {agreed} of {asked} agree",
        "分析方法 {analyst}、{asked}モデル中{agreed}モデルが一致",
    ),
    "analysis_by_rules": (
        "analyst {analyst}: fixed rules, no models",
        "分析方法 {analyst}（固定ルール、モデル不使用）",
    ),
    "analysis_reason": ("models were not used: {reason}", "モデルは使われませんでした：{reason}"),
    "analysis_cost": ("cost: ${dollars:.6f}", "費用：{dollars:.6f}ドル"),
    "analysis_sends": (
        "facts go to {destination} for {models}, at most ${dollars:.2f}; --dry-run shows them, --analyst rules sends nothing",
        "事実データを {destination} の {models} に送信します（最大{dollars:.2f}ドル）。--dry-run で確認、--analyst rules なら送信なし",
    ),
    "fake_openrouter": (
        "A fake OpenRouter listens on {url}. It knows no market and costs nothing. Set before `kaboom up`:",
        "偽の OpenRouter が {url} で待ち受けています。市場を知らず、料金もかかりません。`kaboom up` の前に設定してください：",
    ),
    "fake_behaviours": (
        "The part of a model's name before the slash chooses what it does:",
        "モデル名の / より前の部分で動作が決まります：",
    ),
    "analysis_stays": ("{subject}: nothing leaves; the facts are:", "{subject}：外部には何も送られません。事実："),
    "analysis_leaves": (
        "{subject}: sent to {destination} for {models}, at most ${dollars:.6f}:",
        "{subject}：{destination} の {models} に送信（最大{dollars:.6f}ドル）：",
    ),
    "analysis_pictures": (
        "the candles of each symbol are sent, too, as a picture (KABOOM_AI_IMAGES)",
        "各銘柄のローソク足の画像も送信します（KABOOM_AI_IMAGES）",
    ),
    # Schedules.
    "no_schedules": (
        "no schedules yet; add one: kaboom schedules add 'daily ingest' --session-at 16:35",
        "スケジュールはまだありません。追加するには：kaboom schedules add 'daily ingest' --session-at 16:35",
    ),
    "no_such_schedule": (
        "no schedule {wanted}; there are: {names}",
        "スケジュール {wanted} はありません。登録済み：{names}",
    ),
    "none": ("none", "なし"),
    "schedule_is_on": (
        "{schedule} fires next at {next_at} JST",
        "{schedule} の次回実行は {next_at} JSTです",
    ),
    "schedule_is_off": (
        "{schedule} is disabled; enable it with: kaboom schedules enable '{schedule}'",
        "{schedule} は無効です。有効にするには：kaboom schedules enable '{schedule}'",
    ),
    "schedule_removed": (
        "schedule {schedule} removed; its jobs stay",
        "スケジュール {schedule} を削除しました。ジョブは残ります",
    ),
    "schedule_request": ("request: {request}", "リクエスト：{request}"),
    "schedule_missed": (
        "missed: {missed}, at most {max_late_h} h late",
        "実行できなかった回：{missed}、遅れは{max_late_h}時間まで",
    ),
    "schedule_next": ("next (JST): {times}", "次回以降（JST）：{times}"),
    "at_session": ("session {at}", "立会日の{at}"),
    "at_cron": ("cron {cron}", "cron {cron}"),
    "yes": ("yes", "はい"),
    "no": ("no", "いいえ"),
    "by_hand": ("{outcome} (by hand)", "{outcome}（手動）"),
    # Webhooks.
    "no_webhooks": (
        "no webhooks; request one: kaboom ingest run-daily --callback-url https://…",
        "Webhookはありません。通知を受けるには：kaboom ingest run-daily --callback-url https://…",
    ),
    "webhook_replayed": (
        "webhook {webhook_id} is sent again; see: kaboom webhooks show {webhook_id}",
        "Webhook {webhook_id} を再送します。確認するには：kaboom webhooks show {webhook_id}",
    ),
}
