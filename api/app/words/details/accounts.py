"""What is wrong with an account, a token or a login. English as raised, and Japanese."""

from app.words.language import Pair

ACCOUNT_DETAILS: tuple[Pair, ...] = (
    (
        "this needs the scope {scope}, and the caller has {names}",
        "この操作にはスコープ {scope} が必要です。お持ちのスコープは {names} です",
    ),
)
