"""What the log-in says."""

from app.words.language import Pair

WORDS: dict[str, Pair] = {
    "title": ("Log in", "ログイン"),
    "heading": ("Log in with a token", "トークンでログイン"),
    "token": ("Ingest or admin token", "取り込み用または管理用のトークン"),
    "submit": ("Log in", "ログイン"),
    "why": (
        "The token is exchanged for a session cookie and kept nowhere else. On this machine you find it with:",
        "トークンはセッションCookieに引き換えられ、ほかには保存されません。このマシンでは次のコマンドで表示できます。",
    ),
    "refused": ("This token is not valid.", "このトークンは無効です。"),
    "unavailable": (
        "Nobody can log in yet: this release has no sessions.",
        "このリリースにはセッションがないため、ログインできません。",
    ),
}
