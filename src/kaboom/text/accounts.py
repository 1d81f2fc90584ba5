"""What the commands about users and tokens say."""

from kaboom.text.language import Pair

ACCOUNT_WORDS: dict[str, Pair] = {
    "no_users": ("no users: add one with `kaboom user add`", "ユーザーがいません。`kaboom user add` で追加できます"),
    "no_such_user": ("no user {wanted}; there are: {names}", "ユーザー {wanted} はいません。登録済み：{names}"),
    "ask_password": ("Password", "パスワード"),
    "ask_password_again": ("Again", "もう一度"),
    "password_missing": ("no password on stdin", "標準入力にパスワードがありません"),
    "first_user_created": (
        "first user created: log in as {name} with the password {password}; shown only this once",
        "最初のユーザーを作成しました。名前 {name}、パスワード {password} でログインできます。この1回しか表示されません",
    ),
    "no_tokens": (
        "no tokens: make one with `kaboom token new --name NAME --scope ingest`",
        "トークンがありません。`kaboom token new --name NAME --scope ingest` で作成できます",
    ),
    "token_shown_once": (
        "token {token_id} created; its value is shown only this once",
        "トークン {token_id} を作成しました。値のこの1回しか表示されません",
    ),
    "no_sessions": ("no browser is logged in", "ログイン中のブラウザーはありません"),
    "session_or_user": (
        "expected the id of a session, or --user NAME: `kaboom session list` shows the ids",
        "ログインセッションのIDか --user 名前 のどちらかを指定してください。IDは `kaboom session list` で確認できます",
    ),
    "session_ended": (
        "session {session_id} ended; every process refuses it within 5 s",
        "ログインセッション {session_id} を終了しました。5秒以内にすべてのプロセスで使えなくなります",
    ),
    "user_logged_out": (
        "{user} was logged out everywhere; it holds within 5 s in every process",
        "{user} のすべてのログインセッションとJWTを無効にしました。5秒以内にすべてのプロセスに反映されます",
    ),
    "token_expires": ("it expires at {at} JST", "有効期限は {at}（JST）です"),
    "token_never_expires": ("never", "無期限"),
    "tokens_end_soon": (
        "expiring within {days} days: {names}; make new ones with `kaboom token new`",
        "{days}日以内に期限が切れます：{names}。`kaboom token new` で新しいトークンを作成してください",
    ),
    "api_token_revoked": (
        "token {token_id} revoked; every process refuses it within 5 s",
        "トークン {token_id} を失効させました。5秒以内にすべてのプロセスで使えなくなります",
    ),
}
