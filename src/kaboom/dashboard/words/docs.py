"""What the API reference says around Swagger UI."""

from kaboom.text.language import Pair

WORDS: dict[str, Pair] = {
    "about": (
        "Every operation of this server. “Try it out” sends a real request with your session’s rights.",
        "このサーバーの全操作です。「Try it out」を使うと、現在のセッションの権限で実際にリクエストを送信します。",
    ),
    "no_script": (
        "This page needs JavaScript. The description itself is at <a href='/openapi.json'>/openapi.json</a>.",
        "このページにはJavaScriptが必要です。定義は <a href='/openapi.json'>/openapi.json</a> にあります。",
    ),
}
