"""What the log-in says."""

from kaboom.text.language import Pair

WORDS: dict[str, Pair] = {
    "title": ("Log in", "ログイン"),
    "heading": ("Log in to Kaboom", "Kaboomにログイン"),
    "token": ("Ingest or admin token", "取り込み用または管理用のトークン"),
    "why": (
        "The token is exchanged for a session cookie and kept nowhere else. On the machine that runs Kaboom you find it with:",
        "トークンはセッションCookieに引き換えられ、ほかには保存されません。Kaboomが動いているマシンでは、次のコマンドで表示できます。",
    ),
    "refused": (
        "The token, or the name or password, is not valid.",
        "トークン、または名前かパスワードが正しくありません。",
    ),
    "unavailable": (
        "Nobody can log in now: the ledger does not answer.",
        "ジョブ台帳が応答しないため、今はログインできません。",
    ),
    "slowed": ("Too many failed logins. Wait a minute.", "ログインの失敗が続いています。1分ほど待ってください。"),
    "by_token": ("Use a token instead", "トークンでログインする"),
    "do_by_token": ("Log in with the token", "トークンでログイン"),
    "password": ("Password", "パスワード"),
    "confirm": ("Confirm", "確認"),
    "confirm_password": ("Your password again", "パスワードの再入力"),
    "confirm_token": ("The token that you logged in with", "ログインに使ったトークン"),
    "confirm_why": (
        "Admin changes need it once in 10 minutes.",
        "管理の変更には、10分ごとに再入力が必要です。",
    ),
    "confirm_refused": ("That was not it. Nothing was changed.", "正しくありません。何も変更していません。"),
    "confirm_slowed": ("Too many failures. Wait a minute.", "失敗が続いています。1分ほど待ってください。"),
    "confirm_unavailable": (
        "It cannot be checked now: the ledger does not answer.",
        "ジョブ台帳が応答しないため、今は確認できません。",
    ),
    "back": ("Back", "戻る"),
}
