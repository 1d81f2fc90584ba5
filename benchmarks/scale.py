"""Five years of 4,000 symbols and 100 workers: what PostgreSQL, InfluxDB and Redis hold, take and cost.

Usage: python benchmarks/scale.py [--quick] [--parts ledger bars crowd] [--write]

- ledger: a ledger after 400 days, after 5 years, and after 5 years of ten times the jobs. The product writes the first
  session, and the server copies it. Then its statements, by the product's own code.
- bars: a real InfluxDB 1.x (Debian's influxd) and the page store, written and read by the product's own stores: growing
  numbers of sessions of minutes, five years of days, and five years of minutes of a few symbols.
- crowd: simulated workers (`rig/scale_workers.py`) on one Valkey and one PostgreSQL, idle, at work, without a pause.

It has no goals: `docs/operations/beyond-one-machine.md` says what follows. `--write` renews the tables there.
"""

import argparse
import asyncio
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structlog

from benchmarks.rig import scale_bars as bars
from benchmarks.rig import scale_ledger as ledger
from benchmarks.rig.scale_crowd import Spell, crowd
from benchmarks.rig.stack import Bench, running
from kaboom.bars.pages.store import PageBarStore
from kaboom.drivers.postgres.database import open_database
from kaboom.jobs.postgres.opening import open_history
from tests.fixtures.servers.pgbouncers import pgbouncer

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/operations/beyond-one-machine.md"
FIVE_YEARS = 5 * ledger.SESSIONS_A_YEAR
MINUTES_A_SESSION = 327
_DEEP = 10
type Tables = dict[str, str]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: float) -> str:
    """Return a number with two or three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that goes with the block."""
    made = Path(tempfile.mkdtemp(prefix="kaboom-scale-", dir="/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def measure_ledger(*, quick: bool) -> Tables:
    """Return the tables of the ledger."""
    count, kept = 4_000, round(400 / 365 * ledger.SESSIONS_A_YEAR)
    sizes = [
        ledger.Size("400 days", kept),
        ledger.Size("5 years", FIVE_YEARS),
        ledger.Size("5 years, ten times the jobs", FIVE_YEARS, 10),
    ]
    if quick:
        sizes = [ledger.Size("20 sessions", 20), ledger.Size("60 sessions", 60)]
    with running() as bench:
        took, weight = asyncio.run(_measure_ledger(bench.env["DATABASE_URL"], sizes, count, rounds=3 if quick else 10))
    names = [size.name for size in sizes]
    times = [
        [name, *(f"{figure(took[size][name].p50)} ({figure(took[size][name].most)})" for size in names)]
        for name in took[names[0]]
    ]
    held = [[name, *(figure(weight[size][name]) for size in names)] for name in weight[names[0]]]
    return {
        "ledger-size": table(["held", *names], held),
        "ledger-times": table(["ms: median (longest)", *names], times),
    }


async def _measure_ledger(
    url: str, sizes: Sequence[ledger.Size], count: int, *, rounds: int
) -> tuple[dict[str, dict[str, ledger.Took]], dict[str, dict[str, int]]]:
    database, before = open_database(url, name="scale", pool_size=8), None
    history = database.open(open_history)
    took, weight = dict[str, dict[str, ledger.Took]](), dict[str, dict[str, int]]()
    for size in sizes:
        await ledger.fill(history, url, size=size, before=before, count=count)
        weight[size.name] = ledger.weigh(url)
        took[size.name] = await ledger.measure(history, count=count, rounds=rounds)
        before = size
        print(f"ledger: {size.name}", flush=True)
    await database.close()
    return took, weight


def measure_bars(*, quick: bool) -> Tables:
    """Return the tables of the bars."""
    symbols = ledger.symbols(400 if quick else 4_000)
    wide = bars.steps(symbols, (1, 2, 3))
    years, some = (60, 20) if quick else (FIVE_YEARS, 250)
    deep = bars.steps(symbols[:_DEEP], (20 if quick else FIVE_YEARS,))
    runs: dict[str, list[bars.Held]] = {}
    runs["wide"] = _influx(lambda root: bars.measure_influx(root, bars.MINUTES, wide, is_compacted=True))
    runs["deep"] = _influx(lambda root: bars.measure_influx(root, bars.MINUTES, deep, is_compacted=True))
    for name, count, shard in (
        ("week", some, ""),
        ("week2", 2 * some, ""),
        ("long", 2 * some, "520w"),
        ("long2", 4 * some, "520w"),
    ):
        daily = bars.steps(symbols[:count], (years,))
        runs[name] = _influx(lambda root, d=daily, s=shard: bars.measure_influx(root, bars.DAYS, d, shard=s))  # type: ignore[misc]
    runs["pages"] = _influx(lambda root: _measure_pages(root, wide))
    return {**_wide_tables(runs, wide, len(symbols)), "bars-days": _days_table(runs)}


def _influx(work: Callable[[Path], Coroutine[Any, Any, list[bars.Held]]]) -> list[bars.Held]:
    with folder() as root:
        found = asyncio.run(work(root))
        for held in found:
            print(f"bars: {held.bars:,} in {held.seconds:.0f} s, {held.memory_mb:.0f} MB, {held.reads_ms}", flush=True)
        return found


async def _measure_pages(root: Path, steps: Sequence[bars.Step]) -> list[bars.Held]:
    store = PageBarStore(root)
    found = await bars.measure_steps(bars.Bars(store, root), bars.MINUTES, steps)
    # Its logs are in its files then.
    await store.close()
    found[-1].disk_bytes = bars.weigh(root, "*")
    return found


def _wide_tables(runs: Mapping[str, Sequence[bars.Held]], steps: Sequence[bars.Step], symbols: int) -> Tables:
    wide, (deep,), pages = runs["wide"], runs["deep"], runs["pages"]
    columns = [*wide, deep, pages[-1]]
    heads = [f"{len(step.all_days)} session{'s'[: len(step.all_days) - 1]}" for step in steps]
    head = [
        "",
        *heads,
        f"{_DEEP} symbols, {deep.held // _DEEP // MINUTES_A_SESSION:,} sessions",
        f"page store, {heads[-1]}",
    ]
    rows = [
        ["million bars held", *(figure(each.held / 1e6) for each in columns)],
        ["bars written a second", *(figure(each.bars / each.seconds) for each in columns)],
        ["server's CPU, µs a bar", *(figure(each.cpu_s / each.bars * 1e6) for each in columns[:-1]), "its caller's"],
        ["bytes a bar on disk", *(f"{each.disk_bytes / each.held:.1f}" for each in columns)],
        ["server's memory, MB", *(figure(each.memory_mb) for each in columns[:-1]), "none"],
        *([f"ms: {name}", *(figure(each.reads_ms[name]) for each in columns)] for name in wide[0].reads_ms),
    ]
    slope = (wide[1].disk_bytes - wide[0].disk_bytes) / (wide[1].held - wide[0].held)
    foreseen = wide[1].disk_bytes + slope * (wide[2].held - wide[1].held)
    total = symbols * FIVE_YEARS * MINUTES_A_SESSION
    five = [
        ["bytes a bar, first to second size", f"{slope:.2f}"],
        [
            "third size: foreseen from the first two, measured, MB",
            f"{foreseen / 1e6:,.1f}, {wide[2].disk_bytes / 1e6:,.1f}",
        ],
        [f"bars of {symbols:,} symbols, {FIVE_YEARS:,} sessions", f"{total / 1e9:.2f} billion"],
        ["InfluxDB, GB: by the first two sizes", f"{total * slope / 1e9:.1f}"],
        ["InfluxDB, GB: as few symbols over all of it", f"{total * deep.disk_bytes / deep.held / 1e9:.1f}"],
        ["page store, GB", f"{total * pages[-1].disk_bytes / pages[-1].held / 1e9:.1f}"],
        ["hours to write them to InfluxDB, one writer", f"{total / (wide[-1].bars / wide[-1].seconds) / 3600:.1f}"],
    ]
    return {"bars-minutes": table(head, rows), "bars-five-years": table(["", "five years"], five)}


def _days_table(runs: Mapping[str, Sequence[bars.Held]]) -> str:
    named = {
        "week": "shards of a week",
        "week2": "shards of a week",
        "long": "shards of ten years",
        "long2": "shards of ten years",
    }
    columns = {name: runs[name][0] for name in named}
    head = ["", *(f"{each.symbols:,} symbols, {named[name]}" for name, each in columns.items())]
    rows = [
        ["bars written a second", *(figure(each.bars / each.seconds) for each in columns.values())],
        ["server's CPU, µs a bar", *(figure(each.cpu_s / each.bars * 1e6) for each in columns.values())],
        ["server's memory, MB", *(figure(each.memory_mb) for each in columns.values())],
        *(
            [f"ms: {name}", *(figure(each.reads_ms[name]) for each in columns.values())]
            for name in columns["week"].reads_ms
        ),
    ]
    return table(head, rows)


def measure_crowd(*, quick: bool) -> Tables:
    """Return the table of the workers."""
    plan = [(3, 1.0)] if quick else [(10, 4.0), (100, 20.0)]
    spells: list[tuple[str, Spell]] = []
    with running(connections=1_300) as bench:
        for workers, chunk_s in plan:
            spells += _watch(bench, workers, chunk_s, quick=quick)
        if not quick:
            with pgbouncer(
                bench.folder, bench.env["DATABASE_URL"], default_pool_size="20", max_client_conn="1300"
            ) as pooler:
                spells += _watch(bench, 100, 20.0, quick=quick, name="20 s a chunk, PgBouncer of 20", url=pooler.url)
    if not quick:
        # As many connections as Cloud SQL gives to 3.75 GB.
        with running(connections=100) as bench:
            for workers in (15, 30):
                spells += _watch(bench, workers, 4.0, quick=quick, name="4 s a chunk, 100 connections")
    head = [
        "workers",
        "work",
        "chunks/s",
        "Valkey, % of a core",
        "PostgreSQL, %",
        "workers, %",
        "commands/s",
        "connections: Redis",
    ]
    rows = [
        [
            *(spell.workers, name, figure(spell.chunks), figure(spell.valkey_cpu), figure(spell.postgres_cpu)),
            *(figure(spell.workers_cpu), figure(spell.commands), f"{spell.redis_connections:,}"),
            *(f"{spell.postgres_connections:,}", spell.errors),
        ]
        for name, spell in spells
    ]
    return {"crowd": table([*head, "PostgreSQL", "errors"], rows)}


def _watch(
    bench: Bench, workers: int, chunk_s: float, *, quick: bool, name: str = "", url: str = ""
) -> list[tuple[str, Spell]]:
    seconds, name = (
        (4.0 if quick else max(15.0, 2 * chunk_s)),
        name or (f"{chunk_s:g} s a chunk" if chunk_s else "no work in a chunk"),
    )
    found = []
    with crowd(bench, workers, chunk_s=chunk_s, database_url=url) as made:
        is_whole = made.wait(20 if quick else 60)
        time.sleep(1 if quick else 5)
        if not url and chunk_s and is_whole:
            found.append(("none", made.spell(min(seconds, 15.0))))
        # Enough for the spell and what comes before it: a day is 21 chunks.
        made.submit(max(3, round((seconds + 12) * 4 * workers / chunk_s / 21)) if chunk_s else 200)
        time.sleep(1 if quick else 6)
        found.append((name, made.spell(seconds)))
    for what, spell in found:
        print(f"crowd: {what}: {spell}", flush=True)
    return found


def write(tables: Mapping[str, str]) -> None:
    """Put the tables into the page, each between its marks, and say when and where they were measured."""
    text = PAGE.read_text("utf-8")
    for name, content in tables.items():
        place = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
        if len(place.findall(text)) != 1:
            sys.exit(f"{PAGE.name} has no place for {name}")
        filled = f"<!-- {name} -->\n\n{content}\n\n{told()}\n\n<!-- end -->"
        text = place.sub(lambda _, filled=filled: filled, text)  # type: ignore[misc]
    PAGE.write_text(text, "utf-8")


def told() -> str:
    """Return when, where and of which commit something was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    cpus, load = os.cpu_count(), os.getloadavg()[1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, `{commit.stdout.strip()}`, {cpus} cores, {platform.machine()}, load {load:.1f}."
    )


PARTS: dict[str, Callable[..., Tables]] = {"ledger": measure_ledger, "bars": measure_bars, "crowd": measure_crowd}


def main() -> int:
    """Measure, print the tables, and write them where that was asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes: whether it still works")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--write", action="store_true", help="renew the tables of the page")
    options = parser.parse_args()
    # A plain SIGTERM would leave the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if options.quick and options.write:
        parser.error("--write needs the whole measurement, not --quick")
    for part in options.parts:
        tables = PARTS[part](quick=options.quick)
        for name, content in tables.items():
            print(f"\n{name}\n\n{content}\n", flush=True)
        if options.write:
            write(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
