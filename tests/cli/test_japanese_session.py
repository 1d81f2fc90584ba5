"""A day at a Japanese terminal: every line is Japanese, but for names, commands, ids and numbers."""

import re
from pathlib import Path

import pytest

from kaboom.providers.registry import provider_names
from kaboom.text.tables import CODES
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api
from tests.fixtures.servers.terminal import run_on_terminal
from tests.text.texts import JAPANESE

#: Names of places, products, formats and units, which a Tokyo engineer writes in Latin letters.
NAMES = {
    "kaboom", "Kaboom", "Yahoo", "Parquet", "CSV", "UTF", "Asia", "Tokyo", "JST", "TOPIX", "Core", "Mid",
    "Small", "FILE", "TSE_PRIME", "TSE_STANDARD", "TSE_GROWTH", "INDEX",
    "notifications", "market_data", "ai_analysis", "backtest", "ingest", "run_daily", "run", "daily", "URL",
    "NAME", "true", "Webhook", "sma_cross", "momentum_rank", "mean_reversion", "breakout", "buy_and_hold",
    "cron", "ID", "Date", "Open", "High", "Low", "Close", "Volume",
    *provider_names(),
}  # fmt: skip
#: Codes of the API, each beside its meaning.
_CODED = {code for codes in CODES.values() for code in codes}
_NO_WORDS = (
    r"`[^`]*`",  # a command to type
    r"kaboom [ -~]*",  # the same, after a colon
    r"[\w-]+=\S*",  # a parameter
    r"--?[a-z][a-z-]*",
    r"\b[0-9a-f]{32}\b",
    r"(https?:/)?(/[\w.:-]+)+",
    r"[\w-]+\.(csv|html|xls)",
    r"'[^']*'",  # what was typed
    r"\b[A-Z]+(_[A-Z]+)+\b",  # a setting
    r"\b[A-Z]{2,}( [A-Z]{2,})+\b",  # a company's English name
)
COMMANDS = """
--version
ingest run-daily --interval 1d=20 --symbol 7203 --symbol 6758 --wait
ingest run-daily --symbol 7203 --session 2025-11-04
ingest run-daily --symbol 9999 --session 2025-11-03
jobs list
jobs list --q トヨタ
jobs stats
jobs dead
coverage --interval 1d
coverage --interval 5m
bars show 7203 --interval 1d
bars show 0000 --interval 1d
bars show 7203 --interval 2d
bars quarantine
symbols search トヨタ
symbols search 無い名前
providers
schedules add 夕方 --session-at 16:30 --interval 1d=1
schedules list
schedules add 朝 --cron x
actions list
alerts
backtest list
backtest run sma_cross --symbol 7203 --sessions 20 --wait
backtest run sma_corss --symbol 7203
portfolio list
webhooks list
notify channels
files check FILES
jobs show aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
jobs lits
jobs list --limt 3
ingest run-daily --interval 1m=x
ingest run-daily --market TSE_PRIM
"""


def english_in(lines: list[str]) -> list[str]:
    """Return the lines that are not Japanese."""
    return [line for line in lines if not _is_japanese(line)]


def _is_japanese(line: str) -> bool:
    words = set(re.findall(r"[A-Za-z][A-Za-z_]+", re.sub("|".join(_NO_WORDS), " ", line))) - NAMES
    return not words or (JAPANESE.search(line) is not None and words <= _CODED)


@pytest.mark.parametrize(
    "line", ["0fbcc274c06b46e88872b274f5766cee  queued", "品質 dividends 1", "no rejected rows", "状態 done now"]
)
def test_english_is_found(line: str) -> None:
    assert english_in([line, "完了 completed", "7203  TSE_PRIME", "次 kaboom jobs show"]) == [line]


def test_a_session_is_japanese(live: Api, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "7203.csv").write_text("Date,Open,High,Low,Close,Volume\n2024-11-05,1,2,1,oops,1\n2024-11-06,1,2,1,2,1\n")
    address = {"KABOOM_API_URL": live.url, "INGEST_API_TOKEN": TOKEN, "KABOOM_DATA_DIR": str(live.data_dir)}
    env = {**address, "LANG": "ja_JP.UTF-8", "LC_ALL": "", "KABOOM_LANG": "", "HOME": str(tmp_path)}
    commands = [command.replace("FILES", str(files)).split(" ") for command in COMMANDS.strip().splitlines()]
    found = {}
    for command, lines in zip(commands, run_on_terminal(*commands, columns=200, env=env, folder=tmp_path), strict=True):
        assert lines, command
        if english := english_in(lines):
            found[" ".join(command)] = english
    assert not found, "\n".join(f"$ {command}: {line}" for command, lines in found.items() for line in lines)
