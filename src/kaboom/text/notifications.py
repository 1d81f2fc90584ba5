"""What notifications say: the kinds of events, and of each event a title and a sentence."""

from kaboom.text.language import Pair

#: The kinds of events that a rule may name.
EVENT_KINDS: dict[str, Pair] = {
    "job_ended": ("A job has ended", "ジョブの終了"),
    "data_incomplete": ("Data not complete by a time", "期限までにデータがそろわない"),
    "bars_corrected": ("Bars were corrected", "足の訂正"),
    "bars_quarantined": ("Rows were quarantined", "行の隔離"),
    "split_suspected": ("A split is suspected", "株式分割の疑い"),
    "ai_budget": ("The AI budget is used up", "AIの予算切れ"),
    "provider_blocked": ("A provider is blocked", "データ提供元の休止"),
    "worker_lost": ("A worker was lost", "ワーカーの異常終了"),
    "login_storm": ("Many failed logins", "ログイン失敗の多発"),
    "alert": ("An alert of Alertmanager", "Alertmanagerのアラート"),
    "test": ("A test", "テスト"),
}

#: Of each event the title.
TITLES: dict[str, Pair] = {
    "job_ended": ("Job {short} {status}: {task}", "ジョブ {short}（{task}）：{status}"),
    "data_incomplete": (
        "Data not complete by {deadline}: {market} {interval}",
        "{deadline} までにデータがそろっていません：{market} {interval}",
    ),
    "bars_corrected": ("{count} bars were corrected", "{count}本の足が訂正されました"),
    "bars_quarantined": ("{count} rows were quarantined", "{count}行を隔離しました"),
    "split_suspected": ("{count} splits are suspected", "株式分割の疑いが{count}件あります"),
    "ai_budget": ("AI analyses ask no models for now", "AI分析はモデルへの問い合わせを停止しています"),
    "provider_blocked": ("Provider {provider} is paused", "データ提供元 {provider} への問い合わせを休止しています"),
    "worker_lost": ("Worker lost: {worker}", "ワーカーが異常終了しました：{worker}"),
    "login_storm": ("Many failed logins", "ログインの失敗が続いています"),
    "alert_firing": ("Alert {alertname}: {summary}", "アラート {alertname}：{summary}"),
    "alert_resolved": ("Resolved: {alertname}", "解消：{alertname}"),
    "test": ("A test of Kaboom's notifications", "Kaboomの通知のテスト"),
}

#: Of each event the sentence below the title.
BODIES: dict[str, Pair] = {
    "job_ended": ("{items} {error}", "{items}{error}"),
    "data_incomplete": (
        "The session of {session} is not ingested as a whole. Fill the gaps with: kaboom ingest backfill",
        "{session} の取り込みが完了していません。補うには：kaboom ingest backfill",
    ),
    "bars_corrected": (
        "Job {short} found other values than before. Results that used these bars may change.",
        "ジョブ {short} で以前と異なる値が見つかりました。これらの足を使った結果は変わることがあります。",
    ),
    "bars_quarantined": (
        "Job {short} rejected rows by quality rules. See: kaboom bars quarantine",
        "ジョブ {short} が品質規則により行を除外しました。確認するには：kaboom bars quarantine",
    ),
    "split_suspected": (
        "Job {short} found jumps in prices. Review them with: kaboom actions list",
        "ジョブ {short} で株価の不連続が見つかりました。確認するには：kaboom actions list",
    ),
    "ai_budget": ("Reason: {reason}", "理由：{reason}"),
    "provider_blocked": (
        "It is asked nothing for a while: {reason}",
        "しばらく問い合わせません：{reason}",
    ),
    "worker_lost": (
        "It stopped without being asked to, last seen {seen_at}. Its chunks run elsewhere.",
        "停止の指示なく応答がなくなりました（最終応答 {seen_at}）。処理中のチャンクは別のワーカーが引き継ぎます。",
    ),
    "login_storm": (
        "Logins of {who} fail again and again, and are slowed down. See the audit log.",
        "{who} からのログインが繰り返し失敗しているため、間隔を空けています。監査ログを確認してください。",
    ),
    "alert_firing": ("{severity}: {description}", "{severity}：{description}"),
    "alert_resolved": ("{description}", "{description}"),
    "test": (
        "If you can read this, the channel works.",
        "このメッセージが届いていれば、通知先は正しく設定されています。",
    ),
}

#: Further words.
PHRASES: dict[str, Pair] = {
    "digest": ("{rule}: {count} events", "{rule}：{count}件"),
    "more": ("and {count} more", "ほか{count}件"),
    "items": ("{done} of {total} done, {failed} failed.", "対象{total}件のうち完了{done}件、失敗{failed}件。"),
    "at": ("Time: {at}", "日時：{at}"),
    "line": ("{at} {title}", "{at} {title}"),
    "job_link": ("Job: {url}", "ジョブ：{url}"),
    "job_command": ("See: kaboom jobs show {job_id}", "確認するには：kaboom jobs show {job_id}"),
    "gone": ("the event is no longer kept", "イベントの保存期間が過ぎています"),
}
