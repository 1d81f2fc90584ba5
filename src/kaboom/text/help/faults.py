"""Error messages of wrong command lines in Japanese."""

import re

from kaboom.text.translate import translate

#: The line that leads to help, and what stands before a fault.
SEE_HELP, FAULT = "ヘルプを見るには：{command} --help", "エラー：{text}"
_FAULTS = (
    (
        re.compile(r"No such command (?P<name>'.*?')\. Did you mean (?P<more>.+)\?"),
        "{name} というコマンドはありません。もしかして：{more}",
    ),
    (re.compile(r"No such command (?P<name>'.*')\."), "{name} というコマンドはありません"),
    (
        re.compile(r"No such option: (?P<name>\S+)\s+(?:Did you mean |\(Possible options: )(?P<more>.+)[?)]"),
        "{name} というオプションはありません。もしかして：{more}",
    ),
    (re.compile(r"No such option: (?P<name>\S+)"), "{name} というオプションはありません"),
    (re.compile(r"Missing argument (?P<name>'.+?')\.?"), "引数 {name} が必要です"),
    (re.compile(r"Missing option (?P<name>'.+?')\.?"), "オプション {name} が必要です"),
    (re.compile(r"Missing command\."), "コマンドが必要です"),
    (re.compile(r"Option (?P<name>'.+?') requires an argument\."), "オプション {name} には値が必要です"),
    (re.compile(r"Got unexpected extra argument(?:s|\(s\))? \((?P<name>.+)\)"), "余分な引数があります：{name}"),
    (re.compile(r"Invalid value for (?P<name>'.+?'): (?P<why>.+)", re.DOTALL), "{name} の値が正しくありません：{why}"),
)


def say_fault(text: str) -> str:
    """Return the error message of a wrong command line in Japanese; unknown texts unchanged."""
    for fault, words in _FAULTS:
        if found := fault.fullmatch(text):
            said = found.groupdict()
            return words.format(**(said | {"why": translate(said["why"], "ja")} if "why" in said else said))
    return translate(text, "ja")
