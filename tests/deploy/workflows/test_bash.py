"""The scripts run on the bash of a Mac, which is 3.2: what came later is not used."""

import re

import pytest

from tests.fixtures.repo.repository import ROOT

SCRIPTS = sorted((ROOT / "infra").rglob("*.sh"))
#: What bash 3.2 does not know, by the changes of bash 4.0 to 5.3 (its NEWS file).
NEWER = {
    "an associative array": r"(declare|local|typeset) -[a-zA-Z]*[Ag]",
    "a name reference": r"(declare|local|typeset) -[a-zA-Z]*n",
    "mapfile": r"\b(mapfile|readarray)\b",
    "a change of case": r"\$\{\w+(\[[^]]*\])?(\^|,)",
    "a transformation": r"\$\{\w+(\[[^]]*\])?@",
    "a pipe with errors": r"\|&",
    "appended with errors": r"&>>",
    "a coprocess": r"^\s*coproc\b",
    "a negative index": r"\$\{\w+\[-|\$\{\w+: -?\d+:-",
    "a case that goes on": r";;?&$",
    "the time in printf": r"printf.*%\([^)]*\)T",
    "wait for any": r"\bwait -n\b",
    "a variable that is tested": r"\[\[? -[vR] ",
    # With `set -u` an empty array is an unbound variable before bash 4.4.
    "an array that may be empty": r"\$\{\w+\[[@*]\]\}",
}


def newer_words(text: str) -> list[str]:
    """Return what a script uses that bash 3.2 does not know, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [what for what, pattern in NEWER.items() if any(re.search(pattern, line) for line in lines)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_for_bash_3(script: object) -> None:
    assert newer_words((ROOT / str(script)).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("declare -A seen", "an associative array"),
        ("  local -n other=$1", "a name reference"),
        ("mapfile -t used < file", "mapfile"),
        ('echo "${name^^}"', "a change of case"),
        ('echo "${name@Q}"', "a transformation"),
        ("make |& tee log", "a pipe with errors"),
        ('for name in "${used[@]}"; do', "an array that may be empty"),
        ("if [[ -v name ]]; then", "a variable that is tested"),
        ("printf '%(%F)T' -1", "the time in printf"),
    ],
)
def test_what_is_newer_is_found(line: str, what: str) -> None:
    assert what in newer_words(f"#!/usr/bin/env bash\n# declare -A\n{line}\n")
