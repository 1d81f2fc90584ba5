"""What is wrong with an analysis. English as raised, and Japanese."""

from kaboom.text.language import Pair

ANALYSIS_DETAILS: tuple[Pair, ...] = (
    (
        "{name} was not set, expected it of kind {kind}",
        "{name} が指定されていません。種類 {kind} の分析では指定してください",
    ),
    (
        "{name} was set, expected none of kind {kind}",
        "{name} が指定されています。種類 {kind} の分析では指定できません",
    ),
    (
        "job {job_id} was {status}, expected one that has ended",
        "ジョブ {job_id} は {status} です。終了したジョブを指定してください",
    ),
    ("analyst was models and {why}", "分析方法が models ですが、{why}"),
    (
        "KABOOM_AI_SEND_POSITIONS is false: what a portfolio holds is not sent to models",
        "KABOOM_AI_SEND_POSITIONS が false のため、保有内容はモデルに送られません",
    ),
    ("the portfolio holds nothing, and no symbols were given", "保有銘柄がなく、銘柄の指定もありません"),
    ("job {job_id} was {status}, and has no result", "ジョブ {job_id} は {status} で、結果がありません"),
    (
        "expected symbols, --portfolio, --job or --backtest",
        "銘柄、--portfolio、--job、--backtest のいずれかを指定してください",
    ),
    ("port {port} could not be opened: {reason}", "ポート {port} を開けません：{reason}"),
    ("OPENROUTER_API_KEY is not set", "OPENROUTER_API_KEY が設定されていません"),
    ("KABOOM_AI_MODELS is not set", "KABOOM_AI_MODELS が設定されていません"),
    (
        "KABOOM_AI_SEND is false: nothing is sent to models",
        "KABOOM_AI_SEND が false のため、モデルには何も送られません",
    ),
    (
        "analyst was models, and models cannot be asked any more",
        "分析方法が models ですが、モデルにはもう問い合わせできません",
    ),
    (
        "no {source} {interval} bars of {names} are held; take some by `{command}`",
        "{names} の {source} {interval} 足がありません。`{command}` で取り込めます",
    ),
    (
        "the job's budget was {most} micro-dollars, {used} used, {needed} needed",
        "ジョブの予算{most}マイクロドルのうち{used}を使用済みで、{needed}が必要です",
    ),
    (
        "the day's budget was {most} micro-dollars, {used} used, {needed} needed",
        "1日の予算{most}マイクロドルのうち{used}を使用済みで、{needed}が必要です",
    ),
    ("the breaker is open: {why}", "一時的に停止しています：{why}"),
    (
        "the same was asked before, and may have been paid: {why}",
        "同じ内容はすでに問い合わせ済みで、料金が発生した可能性があります：{why}",
    ),
    ("its worker was lost", "処理中のワーカーが失われました"),
    ("there was no time left", "時間切れです"),
    ("the job was cancelled", "ジョブは中止されました"),
)
