"""What is wrong with a form of a page. English as raised, and Japanese."""

from app.words.language import Pair

PAGE_DETAILS: tuple[Pair, ...] = (
    (
        "the change was {change}, expected password or one of {names}",
        "変更の種類が {change} です。password か {names} のいずれかにしてください",
    ),
    ("job {job_id} is not a backfill of one interval", "ジョブ {job_id} は1種類の足の欠損の補完ではありません"),
    ("max_late_h was {text}, expected a number of hours", "max_late_h が {text} です。時間数を指定してください"),
    ("the request was not JSON: {why}", "リクエストがJSONではありません：{why}"),
)
