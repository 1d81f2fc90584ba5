"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="data as JSON on stdout")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="data folder (env: KABOOM_DATA_DIR)")]
Port = Annotated[int, typer.Option(help="port of the API on this machine", min=1, max=65535)]
Workers = Annotated[int, typer.Option(help="worker processes, each with a pool", min=1, max=64)]
Concurrency = Annotated[int, typer.Option(help="pool size of each worker", min=1, max=64)]
Source = Annotated[str | None, typer.Option(help="where the bars came from, such as synthetic")]
IntervalName = Annotated[str, typer.Option(help="1m, 5m, 15m, 1h or 1d")]

#: What every command that submits a job takes.
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="only this symbol (repeatable)")]
Provider = Annotated[str | None, typer.Option(help="whose bars (default: the server's provider)")]
Callback = Annotated[str | None, typer.Option(help="URL that the server posts the job's end to")]
DryRun = Annotated[bool, typer.Option(help="plan only")]
Wait = Annotated[bool, typer.Option(help="follow the job to its end")]
Timeout = Annotated[float | None, typer.Option(help="seconds to wait at most")]
#: Of jobs on a market, and of those that end with a session.
MarketName = Annotated[str, typer.Option(help="TSE_PRIME, TSE_STANDARD, TSE_GROWTH or FILE")]
LastSession = Annotated[str | None, typer.Option("--session", help="last session, YYYY-MM-DD (default: the newest)")]
