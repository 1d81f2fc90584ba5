"""What the overview says."""

from kaboom.text.language import Pair

WORDS: dict[str, Pair] = {
    "about": ("{market} · {interval} bars · session of {day}", "{market}・{interval}・{day}の立会日"),
    "b_1m": ("1-minute", "1分足"),
    "b_5m": ("5-minute", "5分足"),
    "b_15m": ("15-minute", "15分足"),
    "b_1h": ("hourly", "1時間足"),
    "b_1d": ("daily", "日足"),
    "nothing": ("nothing is stored yet", "まだ何も保存されていません"),
    "question": ("Is today’s data complete?", "本日のデータはそろっていますか？"),
    # How many of what: `some_` after a number that names all of them.
    "listed": ("{n} listed symbol || {n} listed symbols", "上場{n}銘柄"),
    "traded": ("{n} symbol that traded || {n} symbols that traded", "売買のあった{n}銘柄"),
    "symbols": ("{n} symbol || {n} symbols", "{n}銘柄"),
    "indices": ("{n} index || {n} indices", "{n}指数"),
    "some_symbols": ("{n}", "{n}銘柄"),
    "some_indices": ("{n}", "{n}指数"),
    "complete_today": (
        "Today’s data is complete: all {whole} have their bars.",
        "本日のデータはそろっています。{whole}すべての足があります。",
    ),
    "complete_past": (
        "The data of {day} is complete: all {whole} have their bars.",
        "{day}のデータはそろっています。{whole}すべての足があります。",
    ),
    "gaps_today": (
        (
            "Today’s data is not complete: {some} of {whole} has no bars yet. || "
            "Today’s data is not complete: {some} of {whole} have no bars yet."
        ),
        "本日のデータはそろっていません。{whole}中{some}の足がありません。",
    ),
    "gaps_past": (
        (
            "The data of {day} is not complete: {some} of {whole} has no bars. || "
            "The data of {day} is not complete: {some} of {whole} have no bars."
        ),
        "{day}のデータはそろっていません。{whole}中{some}の足がありません。",
    ),
    "odd": (
        "All {whole} have bars; some look odd.",
        "{whole}すべての足がありますが、確認が必要なものがあります。",
    ),
    "pending": (
        "The session of {day} is not final yet: {some} of {whole} have final bars so far.",
        "{day}の立会日は未確定です。これまでに{whole}中{some}の足が確定しています。",
    ),
    "trading": (
        (
            "Today’s session is open: {some} of {whole} has bars so far, {share} %. || "
            "Today’s session is open: {some} of {whole} have bars so far, {share} %."
        ),
        "本日の立会は進行中です。これまでに{whole}中{some}の足があります（{share}％）。",
    ),
    "fetch": ("Fetch the {some} missing…", "欠損している{some}を取り込む…"),
    "charts": ("See the bars by symbol", "銘柄別に足を見る"),
    "which": ("See the jobs that asked", "取り込みのジョブを見る"),
    "parts_label": ("{whole} by state", "状態別の内訳（{whole}）"),
    "asked": ("{whole} in all", "全{whole}"),
    "gaps_title": ("Missing, last session || Missing, last {n} sessions", "欠損数（過去{n}立会日）"),
    "gaps_label": ("Missing in each of the last {n} sessions: {counts}", "過去{n}立会日の欠損数：{counts}"),
    "newest": ("newest {day}", "最新{day}"),
    "latest_jobs": ("Latest jobs", "最近のジョブ"),
    "all_jobs": ("All {n} job || All {n} jobs", "すべて（{n}件）"),
    "done": ("Done", "完了"),
    "bars": ("Bars", "足"),
    "alerts": ("Alerts", "アラート"),
    "unchecked": ("Could not be checked: {what}", "確認できませんでした：{what}"),
    "no_alerts": ("Nothing needs attention.", "対応が必要なものはありません。"),
    "depth": ("Queue depth", "キューの待ち件数"),
    "depth_sub": ("jobs waiting at once, most in each 15 min, 24 h", "同時に待機したジョブの最大数、15分ごと、24時間"),
    "depth_label": (
        "Jobs waiting in the last 24 hours: at most {top}, now {now}",
        "過去24時間の待機ジョブ数：最大{top}、現在{now}",
    ),
    "throughput": ("Throughput", "処理量"),
    "throughput_sub": ("items settled in each 15 min, 24 h", "完了した件数、15分ごと、24時間"),
    "throughput_label": (
        "Items settled in the last 24 hours, by 15 minutes: at most {top}, now {now}",
        "過去24時間に完了した件数（15分ごと）：最大{top}、現在{now}",
    ),
    "jobs_unit": ("job || jobs", "件"),
    "items_unit": ("item || items", "件"),
    "schedules": ("Next schedules", "次のスケジュール"),
    "due": ("Due", "予定"),
    "in": ("In", "あと"),
    "no_schedules": ("No schedule is enabled.", "有効なスケジュールはありません。"),
    "enable": ("Run it automatically:", "自動で実行するには："),
    "workers_sub": (
        "{online} online, {busy} of {slots} slots busy",
        "{online}台が稼働中、スロット{slots}個中{busy}個を使用中",
    ),
    "no_workers": ("No worker is online. Start one:", "稼働中のワーカーがありません。起動するには："),
    "slots_busy": ("Slots busy", "使用中スロット"),
    "now": ("Now", "実行中"),
    "memory": ("Memory, MB", "メモリ（MB）"),
    "last_beat": ("Last beat", "最終応答"),
    "up_since": ("Up since", "起動"),
    "chunk": ("chunk {n}", "チャンク{n}"),
    "other_owner": ("another team’s job", "ほかのチームのジョブ"),
    "ago": ("{took} ago", "{took}前"),
    "part_coverage": ("The state of the data", "データ充足状況"),
    "part_series": ("What the queues did", "キューの推移"),
    "part_alerts": ("The list of alerts", "アラートの一覧"),
    "empty_sentence": (
        "No session has been ingested. Three commands fill this page.",
        "取り込み済みの立会日はまだありません。次の3つのコマンドで始められます。",
    ),
    "step_ingest": ("Ingest one session", "1立会日分を取り込む"),
    "step_ingest_about": (
        "All of TSE Prime, 1-minute bars, from the synthetic provider: some seconds.",
        "東証プライムの全銘柄の1分足を、synthetic（合成データ）から数秒で取り込みます。",
    ),
    "step_schedule": ("Run it automatically", "自動で実行する"),
    "step_schedule_about": (
        "Each TSE session at 16:35 JST. Holidays are skipped.",
        "立会日の16:35に実行します。休業日は実行しません。",
    ),
    "step_real": ("Use real data", "実際のデータを使う"),
    "step_real_about": (
        "Your own CSV or Parquet files, J-Quants with your key, or Yahoo, under their terms.",
        "手元のCSVやParquet、APIキーのあるJ-Quants、またはYahooを、それぞれの利用条件のもとで使えます。",
    ),
    "fetch_title": ("Fetch what is missing?", "欠損分を取り込みますか？"),
    "fetch_about": (
        "{whole} of one session, {day}, {interval} bars. Nothing else is asked of the provider.",
        "{day}の1立会日について、{whole}の{interval}だけを取り込みます。",
    ),
    "fetch_none": ("Nothing is missing of {day}.", "{day}に欠損はありません。"),
    "do_fetch": ("Fetch {whole}", "{whole}を取り込む"),
}
