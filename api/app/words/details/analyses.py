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
    ("the job was cancelled", "ジョブは中止されました"),
)
