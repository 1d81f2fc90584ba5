"""Answers that break off, and files that unpack to more than a machine has (rows 41 and 42)."""

import gzip
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.faults.lab.measure import Measures
from tests.fixtures.bars.kept_bars import kept_bars
from tests.fixtures.providers.fake_market import small_market
from tests.fixtures.providers.fake_yahoo import yahoo_server
from tests.fixtures.providers.provider_faults import Fault
from tests.fixtures.servers.stacks import serving

SYMBOLS = [
    "7203",
    "6758",
    "9984",
    "8306",
    "6861",
    "8035",
    "6098",
    "9432",
    "9433",
    "8058",
    "8001",
    "4063",
    "6501",
    "7974",
    "6902",
    "7267",
    "4502",
    "4568",
    "8766",
    "8316",
]
WHOLE = set(SYMBOLS[::4])
MIB = 1 << 20


def cut_frame(at: float) -> Fault:
    """Break off after a part of the body that was announced."""
    return lambda _request, usual: replace(usual, cut=int(len(usual.body) * at))


def cut_gzip(at: float) -> Fault:
    """Announce, and give, a part of the gzip as if it were all."""
    return lambda _request, usual: replace(usual, body=usual.body[: int(len(usual.body) * at)])


def test_no_bar_is_wrong_or_missing_after_cut_answers(tmp_path: Path, measure: Measures) -> None:
    chance = random.Random(41)
    kinds: list[Callable[[float], Fault]] = [cut_frame, cut_gzip]
    with yahoo_server() as fake:
        fake.market = small_market(*SYMBOLS)
        fake.faults_by_symbol = {
            symbol: chance.choice(kinds)(chance.random()) for symbol in SYMBOLS if symbol not in WHOLE
        }
        keys = {"YAHOO_ENABLED": "true", "YAHOO_BASE_URL": fake.url, "KABOOM_FETCH_ATTEMPTS": "1"}
        keys |= {"KABOOM_PROVIDER_REQUESTS_PER_MINUTE": "yahoo=off", "KABOOM_PROVIDER_CONCURRENCY": "yahoo=off"}
        keys |= {"KABOOM_PROVIDER_DELAY_S": "0"}
        with serving(tmp_path / "data", **keys) as api:
            asked = {"intervals": {"1m": 1}, "symbols": SYMBOLS, "session": "2026-11-16", "provider": "yahoo"}
            cut = api.wait(api.submit(**asked))
            held = kept_bars(api.data_dir)[BarSeries("yahoo", Interval.M1)]
            fake.faults_by_symbol = {}
            whole = api.wait(api.submit(**asked))
            expected = kept_bars(api.data_dir)[BarSeries("yahoo", Interval.M1)]
    assert cut["result"]["outcomes"] == {"ok": len(WHOLE), "provider_error": len(SYMBOLS) - len(WHOLE)}
    assert whole["result"]["outcomes"] == {"ok": len(SYMBOLS)}
    assert set(held["symbol"]) == WHOLE
    assert held.equals(expected.filter(expected["symbol"].is_in(WHOLE)))
    measure.note(41, "answers cut off: bars wrong, symbols without an outcome that says so", wrong=0, cut=15, silent=0)


def test_a_bomb_fails_its_own_symbol_in_little_memory(tmp_path: Path, measure: Measures) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    header = b"Date,Open,High,Low,Close,Volume\n"
    rows = b"".join(b"2024-11-%02d,1,2,1,1.5,%d\n" % (day, day * 100) for day in range(1, 29))
    for symbol in ("6758", "9984"):
        (folder / f"{symbol}.csv").write_bytes(header + rows)
    with gzip.open(folder / "7203.csv.gz", "wb", 1) as packed:
        packed.write(header)
        for _ in range(400):
            packed.write(b"2024-11-05,1,2,1,1.5,100\n" * 40_000)
    with serving(tmp_path / "data", KABOOM_PROVIDER="file", KABOOM_FILE_DIR=str(folder)) as api:
        body = {"intervals": {"1d": 1}, "market": "FILE", "symbols": ["6758", "7203", "9984"], "session": "2024-11-05"}
        job = api.wait(api.submit(**body))
        peak = max(peak_bytes(child.pid) for child in psutil.Process().children(recursive=True))
    assert job["result"]["outcomes"] == {"ok": 2, "invalid": 1}
    assert peak < 1_000 * MIB
    measure.note(
        42, "a .csv.gz of 2 MB that unpacks to 400 MB: symbols failed, peak MiB", failed=1, peak_mib=peak // MIB
    )


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)
