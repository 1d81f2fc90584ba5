"""The examples of backtests in OpenAPI: a run, a sweep, and the strategies."""

from typing import Any

_SHA = "c82d1a47471c664454eb8e86f3e6a0d3cba621e9c76af348d410928c5fc30fc9"
_REQUEST: dict[str, Any] = {
    "strategy": "sma_cross",
    "parameters": {"fast": 10, "slow": 20},
    "symbols": ["7203"],
    "provider": "synthetic",
    "first": "2020-09-28",
    "last": "2025-11-05",
    "as_of": "2025-11-05T09:00:00.123456Z",
}
_TESTED: dict[str, Any] = {
    "request": _REQUEST,
    **{name: _REQUEST[name] for name in ("strategy", "provider", "first", "last")},
    "is_real": False,
    "interval": "1d",
    "symbols": 1,
    "missing": 0,
    "delisted": 0,
    "listed_on": [],
    "session_count": 1249,
    "bars": 1249,
    "is_pinned": True,
    "statements": [],
    "fingerprint": _SHA,
    "code_version": "0.1.0+aaee25b5dcab",
    "strategy_digest": None,
    "seed": 0,
}
RUN: dict[str, Any] = _TESTED | {
    "kind": "run",
    "parameters": {"fast": 10, "slow": 20, "side": "long"},
    "engine": "python",
    "is_ruined": False,
    "metrics": {
        "final_equity": 10380730.06,
        "total_return": 0.0381,
        "cagr": 0.0073,
        "volatility": 0.174,
        "sharpe": 0.124,
        "sortino": 0.22,
        "calmar": 0.02,
        "max_drawdown": -0.366,
        "hit_rate": 0.324,
        "turnover": 13.24,
        "exposure": 0.484,
        "trades": 34.0,
        "fees": 578529.94,
        "flows": 0.0,
        "taxes": 0.0,
        "alpha": -0.021,
        "beta": 0.41,
        "tracking_error": 0.163,
        "information_ratio": -0.34,
        "up_capture": 0.47,
        "down_capture": 0.58,
    },
    "benchmark": {"name": "7203", "total_return": 0.429, "cagr": 0.072, "sharpe": 0.402, "max_drawdown": -0.304},
    "next_session": "2025-11-06",
    "next_orders": [
        {
            "symbol": "7203",
            "side": "buy",
            "shares": 3500.0,
            "kind": "market",
            "price": None,
            "reason": "order",
            "weight": 1.0,
            "held": 0.0,
            "last": 2962.5,
        }
    ],
    "next_order_count": 1,
    "kept_files": {"report.html": {"size": 115870, "sha256": _SHA}},
    "digest": _SHA,
}
_FOUND: dict[str, Any] = {"total_return": 0.21, "sharpe": 0.61, "max_drawdown": -0.18}
SWEEP: dict[str, Any] = _TESTED | {
    "kind": "sweep",
    "trials": 6,
    "left_out": 0,
    "lost": 0,
    "rank_by": "sharpe",
    "chosen_until": "2024-10-29",
    "sharpe_deviation": 0.021,
    "deflated_sharpe": 0.71,
    "best": [
        {
            "number": 3,
            "parameters": {"fast": 10, "slow": 50},
            "final_equity": 12100000.0,
            **_FOUND,
            "test": {**_FOUND, "sessions": 250.0},
        }
    ],
    "walk_forward": None,
    "run": RUN,
    "kept_files": {"trials.csv": {"size": 640, "sha256": _SHA}},
    "digest": _SHA,
}
STRATEGIES: dict[str, Any] = {
    "items": [
        {
            "name": "buy_and_hold",
            "title": "buy once, and hold",
            "description": "Buy each symbol after its first bar, with equal weights, and hold it.",
            "parameters": {"type": "object", "properties": {"weight": {"type": "number"}}},
        }
    ],
    "own": ["rising"],
}
_COMPARED_RUN: dict[str, Any] = {
    "job_id": "2c6be0f4d1f14f1c9d6c7f3a0b8e5a21",
    **{name: RUN[name] for name in ("strategy", "parameters", "provider", "is_real", "interval", "first", "last")},
    "fingerprint": _SHA,
    "metrics": {"total_return": 0.0381, "sharpe": 0.124, "max_drawdown": -0.366},
    "longest_below_peak": 330,
    "benchmark_return": 0.429,
    "curve": [100.0, 100.4],
}
COMPARED: dict[str, Any] = {
    "items": [
        _COMPARED_RUN,
        _COMPARED_RUN | {"job_id": "5d0e63f7b1a34a6bb3a1f0c4d2e96c17", "parameters": {"fast": 5, "slow": 20}},
    ],
    "days": ["2020-09-28", "2020-09-29"],
    "has_same_bars": True,
    "differences": [{"name": "parameters.fast", "values": [10, 5]}],
}
CSV = "opened_at,equity,cash,drawdown,exposure,benchmark\n2025-11-05T00:00:00Z,10380730.06,10380730.06,0.0,0.0,1.0\n"
