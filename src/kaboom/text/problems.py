"""The titles of the API's problems, by the last part of their `type`."""

from kaboom.text.language import Pair

TITLES: dict[str, Pair] = {
    "bad-json": ("The body is not JSON", "本文がJSONではありません"),
    "bad-request": ("The request is malformed", "リクエストの形式が正しくありません"),
    "bad-cursor": ("The cursor is not valid", "カーソルが正しくありません"),
    "unauthorized": ("A valid token is needed", "有効なトークンが必要です"),
    "forbidden": ("The caller may not do this", "この操作の権限がありません"),
    "password-needed": ("Enter your password again", "パスワードをもう一度入力してください"),
    "not-found": ("Not found", "見つかりません"),
    "method-not-allowed": ("This method is not allowed here", "このメソッドは使えません"),
    "not-acceptable": ("No acceptable format", "対応する形式がありません"),
    "request-timeout": ("The request took too long", "リクエストが時間内に届きませんでした"),
    "conflict": ("The current state does not allow this", "現在の状態では実行できません"),
    "body-too-large": ("The body is too large", "本文が大きすぎます"),
    "unsupported-media-type": ("Send application/json", "application/jsonで送ってください"),
    "invalid-request": ("The request cannot be carried out", "リクエストの内容に誤りがあります"),
    "rate-limited": ("Too many requests", "リクエストが多すぎます"),
    "headers-too-large": ("The headers are too large", "ヘッダーが大きすぎます"),
    "internal": ("Internal server error", "サーバー内部でエラーが発生しました"),
    "provider-failed": ("The data provider failed", "データ提供元でエラーが発生しました"),
    "unavailable": ("A part of the system is unavailable", "システムの一部が利用できません"),
}


def join_title(title: str, detail: str) -> str:
    """Return a problem in one line: title and detail, without saying twice what is said once."""
    rest = detail.strip()
    if rest.casefold().startswith(title.casefold()):
        rest = rest[len(title) :].lstrip(" :：")
    colon = ": " if title.isascii() else "："
    return f"{title}{colon}{rest}" if rest else title
