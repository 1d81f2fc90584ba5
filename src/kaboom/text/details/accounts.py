"""What is wrong with an account, a token or a login. English as raised, and Japanese."""

from kaboom.text.language import Pair

ACCOUNT_DETAILS: tuple[Pair, ...] = (
    (
        "this needs the scope {scope}, and the caller has {names}",
        "この操作にはスコープ {scope} が必要です。お持ちのスコープは {names} です",
    ),
    ("the name or the password was wrong", "名前またはパスワードが違います"),
    ("the token was wrong, expired or revoked", "トークンが違うか、期限切れか、失効しています"),
    ("too many failed logins: wait before the next one", "ログインの失敗が続いています。しばらく待ってください"),
    ("too many logins at once", "ログインが集中しています"),
    (
        "a JWT of Supabase is a bearer token itself: send it as it is",
        "SupabaseのJWTはそのままBearerトークンとして送ってください",
    ),
    ("expected role, is_disabled or password", "role、is_disabled、password のいずれかを指定してください"),
    ("expected user and password, or token alone", "user と password の組、または token だけを指定してください"),
    (
        "the request has no session: its caller did not log in with a cookie",
        "このリクエストはCookieによるログインではありません",
    ),
    ("the caller is not a user with a password", "呼び出し元はパスワードを持つユーザーではありません"),
    (
        "the password had {count} characters, expected {least} to {most}",
        "パスワードが{count}文字です。{least}文字から{most}文字にしてください",
    ),
    (
        "the password was easy to guess: it was mostly common words, repeats, sequences or the user's name",
        "推測されやすいパスワードです。よく使われる単語、繰り返し、連続した文字、ユーザー名がほとんどを占めています。推測されにくい文字を加えてください",
    ),
    (
        "name was {text}, expected 1 to {most} letters, digits and .@+-_",
        "名前が {text} です。文字、数字と .@+-_ で1文字から{most}文字にしてください",
    ),
    (
        "a user named {name} exists already: choose another name",
        "{name} という名前のユーザーはすでにいます。別の名前にしてください",
    ),
    ("there are {count} users already, which is the limit", "ユーザーが上限の{count}人に達しています"),
    ("there are {count} tokens already, which is the limit", "トークンが上限の{count}個に達しています"),
    (
        "user {user_id} does not exist: an id is usr_ and 32 hex digits",
        "ユーザー {user_id} は存在しません。IDは usr_ と16進数32桁です",
    ),
    (
        "token {token_id} does not exist: an id is 16 hex digits",
        "トークン {token_id} は存在しません。IDは16進数16桁です",
    ),
    (
        "{name} is the last admin who can log in: make another user an admin first",
        "{name} はログインできる最後の管理者です。先に別のユーザーを管理者にしてください",
    ),
    (
        "expires_days was {days}, expected at most {most}: Kaboom does not see when Supabase disables a user",
        "expires_days が {days} です。{most} 以下にしてください。Supabaseでユーザーが無効になってもKaboomには分かりません",
    ),
    (
        "session {session_id} does not exist, or has ended: an id is 16 hex digits",
        "ログインセッション {session_id} は存在しないか、すでに終了しています。IDは16進数16桁です",
    ),
    (
        "the password was entered over {count} minutes ago: enter it again with POST /api/v1/session/confirm",
        "最後のパスワード入力から{count}分を過ぎました。POST /api/v1/session/confirm でもう一度入力してください",
    ),
    (
        "the Origin header named another host: a change must come from a page of this server",
        "Origin ヘッダーが別のホストです。変更はこのサーバーのページから行ってください",
    ),
    (
        "the Sec-Fetch-Site header named another site: a change must come from a page of this server",
        "Sec-Fetch-Site ヘッダーが別のサイトです。変更はこのサーバーのページから行ってください",
    ),
    (
        "the Origin header was missing: a change by cookie must come from a page of this server",
        "Origin ヘッダーがありません。Cookieによる変更はこのサーバーのページから行ってください",
    ),
    (
        "the x-csrf-token header was missing or wrong: `/api/v1/session` has the token of the session",
        "x-csrf-token ヘッダーがないか、値が違います。正しい値は `/api/v1/session` で得られます",
    ),
    ("the API is starting", "APIが起動中です"),
    (
        "the keys of SUPABASE_URL could not be fetched: {reason}",
        "SUPABASE_URL の公開鍵を取得できません：{reason}",
    ),
    (
        "JWT_SECRET_KEY held {count} keys, expected 1 or {most}",
        "JWT_SECRET_KEY に鍵が{count}個あります。1個または{most}個にしてください",
    ),
    (
        "{setting} held a key of {count} bytes, expected {least} or more: `kaboom token new` makes one",
        "{setting} の鍵が{count}バイトです。{least}バイト以上にしてください。`kaboom token new` で作成できます",
    ),
    (
        "SUPABASE_URL was not the address of a project, expected https://<project>.supabase.co",
        "SUPABASE_URL がプロジェクトのアドレスではありません。https://<project>.supabase.co の形で指定してください",
    ),
)
