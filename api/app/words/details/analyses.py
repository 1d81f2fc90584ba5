"""What is wrong with an analysis. English as raised, and Japanese."""

from app.words.language import Pair

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
    ("expected either symbols or --job", "銘柄か --job のどちらかを指定してください"),
    ("analyst was models and {why}", "分析者が models ですが、{why}"),
    ("OPENROUTER_API_KEY is not set", "OPENROUTER_API_KEY が設定されていません"),
    ("KABOOM_AI_MODELS is not set", "KABOOM_AI_MODELS が設定されていません"),
    (
        "KABOOM_AI_SEND is false: nothing is sent to models",
        "KABOOM_AI_SEND が false のため、モデルには何も送られません",
    ),
    (
        "analyst was models, and models cannot be asked any more",
        "分析者が models ですが、モデルにはもう問い合わせできません",
    ),
    ("no bars are held", "足が保存されていません"),
    (
        "the job's budget was {most} micro-dollars, {used} used, {needed} needed",
        "ジョブの予算{most}マイクロドルのうち{used}を使用済みで、{needed}が必要です",
    ),
    (
        "the day's budget was {most} micro-dollars, {used} used, {needed} needed",
        "1日の予算{most}マイクロドルのうち{used}を使用済みで、{needed}が必要です",
    ),
    ("the breaker is open: {why}", "一時的に停止しています：{why}"),
    ("there was no time left", "時間切れです"),
    ("the job was cancelled", "ジョブは中止されました"),
)
