"""`kaboom files check`: what Kaboom would read from a folder of files; `kaboom ingest backfill`: what is missing."""

import asyncio
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from kaboom.cli.exits import Exit
from kaboom.cli.job_follower import parse_pair, submit
from kaboom.cli.options import Callback, Json, MarketName, Provider, Symbols, Tags, Timeout, Wait, given, parse_day
from kaboom.cli.output.text import add_row, new_table
from kaboom.cli.session import Session
from kaboom.ingest.jobs import BACKFILL
from kaboom.settings import load_settings
from kaboom.text.speaker import Speaker

if TYPE_CHECKING:
    from kaboom.providers.file.provider import FileProvider


app = typer.Typer(help="Look at files of your own before they are ingested.", no_args_is_help=True)

#: The most refusals that are shown for a file; --json has all.
_MOST_REFUSALS = 5
_MOST_SYMBOLS = 4
_PREFIX = "KABOOM_FILE_"
_INGEST = "kaboom ingest run-daily --provider file --all --wait"

TimeZone = Annotated[str | None, typer.Option(help="time zone of times without one (env: KABOOM_FILE_TIME_ZONE)")]
DateOrder = Annotated[
    Literal["ymd", "mdy", "dmy"] | None,
    typer.Option(help="order of 11/5/2024 and 24/11/05 (env: KABOOM_FILE_DATE_ORDER)"),
]
SymbolPattern = Annotated[
    str | None, typer.Option(help="regular expression of the symbol in a name (env: KABOOM_FILE_SYMBOL_PATTERN)")
]
SymbolList = Annotated[
    Path | None, typer.Option("--symbols", help="CSV of file names and their symbols (env: KABOOM_FILE_SYMBOLS)")
]
_LOOK_BACK = "20"


@app.command("check")
def check_files(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="folder, or one file (default: KABOOM_FILE_DIR)")] = None,
    symbol_pattern: SymbolPattern = None,
    symbols: SymbolList = None,
    time_zone: TimeZone = None,
    date_order: DateOrder = None,
    *,
    json: Json = False,
) -> int:
    """Show what each file holds, every refusal with its line, and what an ingest would store; nothing is stored."""
    from kaboom.providers.file.check import describe_files  # noqa: PLC0415  polars

    session: Session = context.obj.with_json(json)
    rules = given(file_dir=folder, file_symbol_pattern=symbol_pattern, file_symbols=symbols)
    rules |= given(file_time_zone=time_zone, file_date_order=date_order)
    provider = _build(rules)
    files = describe_files(provider)
    tried = asyncio.run(_try(provider, files))
    if not session.print_if_json({"files": files} | tried):
        _show(session, files, tried, rules)
    refused = sum(not file["rows"] for file in files)
    if refused == len(files):
        return Exit.JOB_FAILED
    return Exit.PARTIAL if any(file["refusals"] for file in files) else Exit.OK


async def _try(provider: "FileProvider", files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what an ingest of all files would do, and add the rows that it would reject to the files."""
    from kaboom.ingest.trial import try_ingest  # noqa: PLC0415  polars

    if not any(file["rows"] for file in files):
        return {"stored": 0, "rejected": 0, "days": {}, "symbols": []}
    trial = await try_ingest(provider)
    trial.add_rejected(files)
    return trial.to_json()


def _build(given: dict[str, object]) -> "FileProvider":
    from kaboom.errors import ConfigurationError  # noqa: PLC0415  beside the next
    from kaboom.providers.file.provider import FileProvider, read_rules  # noqa: PLC0415  polars
    from kaboom.providers.file.spec import FileSettings  # noqa: PLC0415  the same

    known = load_settings()
    settings = FileSettings(**{name: getattr(known, name) for name in FileSettings.model_fields} | given)
    if settings.file_dir is None:
        raise ConfigurationError("provider was file and KABOOM_FILE_DIR is not set: name the folder of your files")
    return FileProvider(settings.file_dir.resolve(), read_rules(settings))


def _show(session: Session, files: Sequence[dict[str, Any]], tried: dict[str, Any], given: dict[str, object]) -> None:
    words = session.words
    session.show(_file_table(words, files))
    for file in files:
        for note in file["notes"]:
            session.show(f"{file['file']}: {words.detail(note)}")
    refused = [file for file in files if file["refusals"]]
    for file in refused:
        # A file that is refused as a whole is refused for each of its symbols.
        refusals = list({refusal["message"]: refusal for refusal in file["refusals"]}.values())
        for refusal in refusals[:_MOST_REFUSALS]:
            is_whole = refusal["line"] is None
            text = f"{file['file']}: {words.detail(refusal['why'])}" if is_whole else words.detail(refusal["message"])
            session.show(text)
        if (more := len(refusals) - _MOST_REFUSALS) > 0:
            session.show(words.say("{file}: {count:,} more: --json", file=file["file"], count=more))
    rows = sum(file["rows"] for file in files)
    symbols = len({symbol for file in files for symbol in file["symbols"]})
    session.say(
        "{files}: {rows} of {symbols}; files with something that is not stored: {refused:,}",
        files=words.count("{n:,} file", "{n:,} files", len(files)),
        symbols=words.count("{n:,} symbol", "{n:,} symbols", symbols),
        rows=words.count("{n:,} row", "{n:,} rows", rows),
        refused=len(refused),
    )
    if tried["days"]:
        each = (
            words.count(
                "{interval} {n:,} day from {first} to {last}",
                "{interval} {n:,} days from {first} to {last}",
                days["count"],
                interval=interval,
                **days,
            )
            for interval, days in tried["days"].items()
        )
        counts = {name: tried[name] for name in ("stored", "rejected")}
        session.say(
            "an ingest stores {stored:,} of {rows:,} rows and rejects {rejected:,}: {days}",
            rows=sum(counts.values()),
            **counts,
            days=words.say(" · ").join(each),
        )
        # The settings are those of the server, which reads the files.
        settings = [f"{_PREFIX}{name.removeprefix('file_').upper()}={shlex.quote(str(given[name]))}" for name in given]
        session.say("start Kaboom with: {command}", command=" ".join([*settings, "kaboom up"]))
        session.say("then ingest them in another terminal: {command}", command=_INGEST)


def _say_rule(rule: dict[str, str] | None) -> str:
    """Return the pattern of a rule of `files.toml`, and what it sets."""
    if rule is None:
        return "-"
    return " ".join([rule["files"], *(f"{key}={value}" for key, value in rule.items() if key != "files")])


def _file_table(words: Speaker, files: Sequence[dict[str, Any]]) -> Table:
    heads = ["file", "symbols", "interval", "rows", "from", "to", "encoding", "time zone", "columns"]
    has_rules = any(file["rule"] for file in files)
    heads += ["rule of files.toml"] if has_rules else []
    table = new_table(words, *heads, right={"rows"}, whole={"from", "to"})
    for file in files:
        names, count = file["symbols"][:_MOST_SYMBOLS], len(file["symbols"])
        shown = " ".join(names) + (f" … {count:,}" if count > len(names) else "")
        columns = file["columns"].items()
        recognised = " ".join(name if name.lower() == role else f"{role}={name}" for role, name in columns)
        unknown = words.say("(not recognised: {names})", names=", ".join(file["unknown"])) if file["unknown"] else ""
        cells: tuple[str, ...] = (file["interval"] or "-", f"{file['rows']:,}", file["first"] or "", file["last"] or "")
        cells += (file["encoding"], file["time_zone"] or "", f"{recognised} {unknown}")
        add_row(table, file["file"], shown, *cells, *([_say_rule(file["rule"])] if has_rules else []))
    return table


def backfill(
    context: typer.Context,
    interval: Annotated[
        list[str] | None, typer.Option(help="bar length, and sessions back, such as 1m=20 (repeatable)")
    ] = None,
    market: MarketName = "TSE_PRIME",
    symbol: Symbols = None,
    provider: Provider = None,
    first: Annotated[str | None, typer.Option("--from", help="first session, YYYY-MM-DD")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last session, YYYY-MM-DD (default: newest)")] = None,
    chunk_size: Annotated[int, typer.Option(help="points in one write request")] = 5000,
    callback_url: Callback = None,
    tags: Tags = None,
    *,
    include_short: Annotated[
        bool, typer.Option("--include-short", help="also sessions with few bars, or no closing auction")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="only print what would be taken")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Take the bars that are missing, lost or not final, and nothing else."""
    session: Session = context.obj.with_json(json)
    days = _count_sessions(first, last) if first else _LOOK_BACK
    body: dict[str, Any] = {
        "intervals": dict(parse_pair(text if "=" in text else f"{text}={days}") for text in interval or ["1m"]),
        "market": market,
        "chunk_size": chunk_size,
    }
    optional: dict[str, Any] = {
        "symbols": symbol,
        "provider": provider,
        "first": first,
        "last": last,
        "callback_url": callback_url,
        "tags": tags,
    }
    optional |= {"include_short": include_short, "dry_run": dry_run}
    body |= {name: value for name, value in optional.items() if value}
    session.say_terms(provider)
    # Always wait for a dry run: it takes a second, and has nothing to print before it ends.
    submit(session, BACKFILL.path, body, wait=wait or dry_run, timeout_s=timeout)


def _count_sessions(first: str, last: str | None) -> int:
    from kaboom.market.calendar import sessions_between  # noqa: PLC0415  no other option needs the calendar

    begin = parse_day(first, "--from")
    end = parse_day(last, "--to") if last else datetime.now(UTC).date()
    return max(1, len(sessions_between(begin, end)))
