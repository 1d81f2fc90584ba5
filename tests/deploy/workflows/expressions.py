"""GitHub's expressions, `${{ … }}`, as far as the workflows use them; what is not known is an error, not nothing."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Contexts = Mapping[str, Any]
Functions = Mapping[str, Callable[[], bool]]

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*|&&|\|\||==|!=|!|\(|\))")
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class UnknownError(LookupError):
    """A name, a function or a sign that this does not know; GitHub would go on with nothing."""


def evaluate(text: str, contexts: Contexts, functions: Functions | None = None) -> Any:
    """Return the value of an expression; both sides of `&&` and `||` are looked at, whatever the first one says."""
    return _Parser(_tokens(text), contexts, functions or {}).whole()


def substitute(text: str, contexts: Contexts) -> str:
    """Return a text with the value of each `${{ … }}` in its place."""

    def value(hole: re.Match[str]) -> str:
        found = evaluate(hole[1], contexts)
        return str(found).lower() if isinstance(found, bool) else str(found)

    return _HOLE.sub(value, text)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise UnknownError(f"cannot read {text[at:]!r} in {text!r}")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], contexts: Contexts, functions: Functions) -> None:
        self.tokens, self.contexts, self.functions = tokens, contexts, functions

    def whole(self) -> Any:
        value = self.either()
        if self.tokens:
            raise UnknownError(f"{self.tokens[0]!r} was not expected")
        return value

    def take(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and (not wanted or self.tokens[0] in wanted) else None

    def either(self) -> Any:
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.equal()
        while self.take("&&"):
            other = self.equal()
            value = value and other
        return value

    def equal(self) -> Any:
        value = self.single()
        while sign := self.take("==", "!="):
            value = (value == self.single()) is (sign == "==")
        return value

    def single(self) -> Any:
        token = self.take()
        if token == "!":
            return not self.single()
        if token == "(":
            value = self.either()
            if not self.take(")"):
                raise UnknownError("a bracket is not closed")
            return value
        if token is None or not re.match(r"['A-Za-z_]", token):
            raise UnknownError(f"{token!r} was not expected")
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        return self.call(token) if self.take("(") else self.look_up(token)

    def call(self, name: str) -> bool:
        if name not in self.functions or not self.take(")"):
            raise UnknownError(f"{name}() is not known here, or was given something")
        return self.functions[name]()

    def look_up(self, path: str) -> Any:
        value: Any = self.contexts
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                raise UnknownError(f"{path} is not known: no {name}")
            value = value[name]
        return value
