"""The peer of the read API: Parquet files by month, opened by polars for each question, answered as polars writes JSON.

It is given the files of `kaboom bars mirror`, knows which months to open, checks a token and nothing else.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from fastapi import FastAPI, Header, HTTPException, Response

app = FastAPI()
FILES = sorted((Path(os.environ["NAIVE_MIRROR"]) / "synthetic" / "1m").glob("*.parquet"))
COLUMNS = ["opened_at", "open", "high", "low", "close", "volume", "flags"]
Token = Annotated[str | None, Header(alias="x-ingest-token")]


def answer(token: str | None, rows: pl.LazyFrame) -> Response:
    """Refuse a wrong token, or answer with the rows."""
    if token != os.environ["INGEST_API_TOKEN"]:
        raise HTTPException(401)
    return Response(f'{{"items":{rows.collect().write_json()}}}', media_type="application/json")


# Plain functions, which FastAPI runs in threads: polars would hold up the event loop.
@app.get("/api/v1/bars/latest")
def latest(x_ingest_token: Token = None) -> Response:
    """Take the newest bar of each symbol from the newest file."""
    bars = pl.scan_parquet(FILES[-1]).group_by("symbol").agg(pl.col(COLUMNS).sort_by("opened_at").last())
    return answer(x_ingest_token, bars.sort("symbol"))


@app.get("/api/v1/bars/{symbol}")
def bars(symbol: str, start: str, end: str, x_ingest_token: Token = None) -> Response:
    """Take one symbol's bars from the files of the months that are asked for."""
    months = [file for file in FILES if start[:7] <= file.stem <= end[:7]]
    at = pl.col("opened_at").dt.date().cast(pl.String)
    wanted = pl.scan_parquet(months).filter(pl.col("symbol") == symbol, at >= start, at < end)
    return answer(x_ingest_token, wanted.select(COLUMNS))


@app.get("/api/v1/coverage")
def coverage(x_ingest_token: Token = None) -> Response:
    """Count the bars of all files."""
    counts: list[Any] = [
        pl.len().alias("bars"),
        pl.col("opened_at").min().alias("first_at"),
        pl.col("opened_at").max().alias("last_at"),
        (pl.col("flags") != 0).sum().alias("flagged"),
        pl.col("flags").bitwise_or(),
    ]
    cells = pl.scan_parquet(FILES).group_by("symbol", pl.col("opened_at").dt.date().alias("session")).agg(counts)
    return answer(x_ingest_token, cells.sort("symbol", "session"))
