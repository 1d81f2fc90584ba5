"""The examples of the market in OpenAPI: a minute of 7203, made up by the synthetic provider."""

from typing import Any

_BAR: dict[str, Any] = {
    "opened_at": "2025-11-04T00:00:00Z",
    "open": 2841.5,
    "high": 2849.0,
    "low": 2838.0,
    "close": 2847.5,
    "volume": 184300,
    "flags": 0,
}
_SERIES: dict[str, Any] = {"interval": "1m", "provider": "synthetic", "is_real": False}
BARS: dict[str, Any] = {
    "symbol": "7203",
    **_SERIES,
    "adjusted": False,
    "start": "2025-11-03T15:00:00Z",
    "end": "2025-11-04T15:00:00Z",
    "items": [_BAR],
    "next_cursor": None,
}
LATEST: dict[str, Any] = {
    **_SERIES,
    "items": [{"symbol": "7203"} | _BAR | {"opened_at": "2025-11-04T06:30:00Z"}],
    "next_cursor": None,
}
QUARANTINE: dict[str, Any] = {
    **_SERIES,
    "total": 1,
    "reasons": {"off_grid": 1},
    "items": [
        {
            "session": "2025-11-04",
            "symbol": "7203",
            "opened_at": "2025-11-04T09:00:00Z",
            "open": 3140.0,
            "high": 3142.0,
            "low": 3139.0,
            "close": 3141.0,
            "volume": 52300.0,
            "reason": "off_grid",
            "file": None,
            "line": None,
        }
    ],
    "next_cursor": None,
}
COVERAGE: dict[str, Any] = {
    **_SERIES,
    "first": "2025-11-04",
    "last": "2025-11-04",
    "items": [
        {
            "symbol": "7203",
            "session": "2025-11-04",
            "bars": 327,
            "first_at": "2025-11-04T00:00:00Z",
            "last_at": "2025-11-04T06:30:00Z",
            "flagged": 0,
            "flags": 0,
        }
    ],
    "next_cursor": None,
}
SESSIONS: dict[str, Any] = {
    **_SERIES,
    "items": [
        {
            "session": "2025-11-04",
            "verdict": "gaps",
            "symbols": 1651,
            "bars": 502113,
            "median": 321.0,
            "flagged": 14,
            "quarantined": 0,
            "pending": 0,
            "missing": 37,
            "empty": 113,
            "lost": 0,
            "not_final": 0,
            "outdated": 0,
            "short": 2,
            "no_auction": 1,
            "differs": 0,
            "complete": 1498,
        }
    ],
    "next_cursor": None,
}
CELL: dict[str, Any] = {
    **_SERIES,
    "symbol": "7203",
    "items": [
        {
            "session": "2025-11-04",
            "state": "complete",
            "bars": 327,
            "expected": 326.5,
            "first_at": "2025-11-04T00:00:00Z",
            "last_at": "2025-11-04T06:30:00Z",
            "flagged": 0,
            "flags": 0,
            "asked_at": "2025-11-04T07:00:12Z",
            "is_final": True,
        }
    ],
    "next_cursor": None,
}
#: The JSON head and the six bytes of the cells of two symbols in three sessions; 7203 is missing in the second.
CELLS = (
    '{"interval":"1m","provider":"synthetic","is_real":false,"states":["pending","missing","empty","lost","not_final",'
    '"outdated","short","no_auction","differs","complete"],"sessions":["2025-10-31","2025-11-04","2025-11-05"],'
    '"symbols":["6758","7203"],"names":["ソニーグループ","トヨタ自動車"],'
    '"names_en":["SONY GROUP CORPORATION","TOYOTA MOTOR CORPORATION"],"sectors":["3650","3700"],'
    '"scales":["TOPIX Core30","TOPIX Core30"]}\n\t\t\t\t\x01\t'
)
_LISTING: dict[str, Any] = {
    "symbol": "7203",
    "name": "トヨタ自動車",
    "name_en": "TOYOTA MOTOR CORPORATION",
    "market": "TSE_PRIME",
    "sector33": "輸送用機器",
    "sector33_code": "3700",
    "sector33_en": "Transportation Equipment",
    "scale": "TOPIX Core30",
    "is_topix500": True,
    "is_listed": True,
    "first_seen": "2024-03-29",
    "left_by": None,
    "moved_to": None,
    "renamed_to": None,
}
_DATED: dict[str, Any] = {"session": "2025-11-04", "as_of": "2024-03-29", "source": "JPX data_j.xls"}
SYMBOLS: dict[str, Any] = {**_DATED, "items": [_LISTING], "next_cursor": None}
UNIVERSE: dict[str, Any] = {
    "market": "TSE_PRIME",
    **_DATED,
    "age_days": 585,
    "items": [_LISTING],
    "next_cursor": None,
}
CALENDAR: dict[str, Any] = {
    "first": "2025-11-04",
    "last": "2025-11-04",
    "time_zone": "Asia/Tokyo",
    "items": [
        {
            "session": "2025-11-04",
            "opens_at": "2025-11-04T00:00:00Z",
            "am_closes_at": "2025-11-04T02:30:00Z",
            "pm_opens_at": "2025-11-04T03:30:00Z",
            "closes_at": "2025-11-04T06:30:00Z",
            "minutes": 327,
        }
    ],
    "next_cursor": None,
}
