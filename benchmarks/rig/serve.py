"""One API in this process, ours or the peer's, on the same server with the same options.

Usage: python -m benchmarks.rig.serve ours|naive|naive-bars PORT
"""

import sys
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI

NO_OP = "/api/v1/ingest/no-op"


def build_ours() -> FastAPI:
    """Return Kaboom's API with one more route, behind the same gate, that does nothing."""
    from kaboom.drivers.gc_tuning import freeze_loaded_objects  # noqa: PLC0415  the same
    from kaboom.main import create_app  # noqa: PLC0415  the peer must not pay for it

    app = create_app()
    freeze_loaded_objects()

    router = APIRouter()

    @router.get(NO_OP)
    async def no_op() -> dict[str, bool]:
        return {"is_ok": True}

    app.include_router(router)
    app.router.routes.insert(0, app.router.routes.pop())  # as soon found as the routes of jobs
    return app


def build_naive() -> FastAPI:
    """Return the peer's API."""
    from benchmarks.naive.api import app  # noqa: PLC0415  nor we for Celery

    return app


def build_naive_bars() -> FastAPI:
    """Return the peer of the read API."""
    from benchmarks.naive.bars import app  # noqa: PLC0415  nor anybody for polars

    return app


def main() -> None:
    """Serve until told to stop, as `kaboom serve` does."""
    name, port = sys.argv[1:]
    options: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False}
    if name == "ours":
        from kaboom.settings import load_settings  # noqa: PLC0415  as above
        from kaboom.web.server.options import server_options  # noqa: PLC0415  as above

        options = server_options(load_settings().max_connections)
    app = {"ours": build_ours, "naive": build_naive, "naive-bars": build_naive_bars}[name]()
    uvicorn.run(app, host="127.0.0.1", port=int(port), **options)


if __name__ == "__main__":
    main()
