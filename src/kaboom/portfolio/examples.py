"""The examples of portfolios in OpenAPI: 200 shares of 7203, of which 100 were sold."""

from typing import Any

_ID, _AT = "3f1c0f5a6b4a9d8e2f3b4c5d6e7f8090", "2025-11-04T07:02:11Z"
_BY = "usr_5a1c0f5a6b4a9d8e2f3b4c5d6e7f8090"
NEW_PORTFOLIO: dict[str, Any] = {"name": "日本株"}
PATCH: dict[str, Any] = {"name": "Core holdings"}
NEW_TRADE: dict[str, Any] = {
    "day": "2025-11-04",
    "side": "buy",
    "symbol": "7203",
    "quantity": 200,
    "price": "2841.5",
    "fee": "275",
}
NEW_MOVEMENT: dict[str, Any] = {"day": "2025-11-04", "kind": "deposit", "amount": "1000000"}
NEW_REVERSAL: dict[str, Any] = {"entry_id": "9d8e2f3b4c5d6e7f80903f1c0f5a6b4a", "note": "typed twice"}
IMPORT: dict[str, Any] = {
    "csv": "day,kind,symbol,quantity,price,fee,amount,note\n2025-11-04,deposit,,,,,1000000,\n"
    "2025-11-04,buy,7203,200,2841.5,275,,\n"
}
PORTFOLIO: dict[str, Any] = {
    "id": _ID,
    "name": "日本株",
    "provider": "synthetic",
    "is_real": False,
    "lot": 100,
    "cash": "717050",
    "entries": 3,
    "created_at": _AT,
    "created_by": _BY,
}
ENTRY: dict[str, Any] = {
    "id": "9d8e2f3b4c5d6e7f80903f1c0f5a6b4a",
    "place": 2,
    "kind": "buy",
    **{name: NEW_TRADE[name] for name in ("day", "symbol", "quantity", "price", "fee")},
    "amount": "568300",
    "note": "",
    "reverses": None,
    "reversed_by": None,
    "created_at": _AT,
    "created_by": _BY,
}
MOVEMENT: dict[str, Any] = ENTRY | {
    "id": "5c6d7e8f80903f1c0f5a6b4a9d8e2f3b",
    "place": 1,
    "kind": "deposit",
    "symbol": None,
    "quantity": None,
    "price": None,
    "fee": None,
    "amount": "1000000",
}
DIVIDEND: dict[str, Any] = MOVEMENT | {
    "place": 4,
    "day": "2025-11-05",
    "kind": "dividend",
    "symbol": "7203",
    "amount": "4500",
    "note": "100 shares at 45",
}
TRADES: dict[str, Any] = {"items": [ENTRY], "next_cursor": None}
CASH: dict[str, Any] = {
    "cash": "717050",
    "accounts": {
        "cash": "717050",
        "capital": "-1000000",
        "securities": "282400",
        "income": "0",
        "fees": "550",
        "taxes": "0",
    },
    "items": [MOVEMENT],
    "next_cursor": None,
}
IMPORTED: dict[str, Any] = {"entries": 2, "first_place": 1, "last_place": 2}
_TOTALS: dict[str, Any] = {
    "cash": "717050",
    "net_deposits": "1000000",
    "realised": "1337.5",
    "income": "0",
    "costs": "0",
}
_HELD: dict[str, Any] = {
    "symbol": "7203",
    "quantity": 100,
    "average_cost": "2842.875",
    "cost": "284287.5",
    "realised": "1337.5",
    "realised_fifo": "1337.5",
    "income": "0",
}
POSITIONS: dict[str, Any] = {
    **_TOTALS,
    "items": [{**_HELD, "lots": [{"bought_on": "2025-11-04", "quantity": 100, "cost": "284287.5"}]}],
}
_PRICE: dict[str, Any] = {
    "close": "2860",
    "session": "2025-11-05",
    "at": "2025-11-05T06:30:00Z",
    "interval": "1d",
    "source": "synthetic",
    "is_final": True,
}
VALUATION: dict[str, Any] = {
    "provider": "synthetic",
    "is_real": False,
    **_TOTALS,
    "cost": "284287.5",
    "value": "286000",
    "equity": "1003050",
    "unrealised": "1712.5",
    "profit": "3050",
    "unpriced": [],
    "items": [{**_HELD, "price": _PRICE, "value": "286000", "unrealised": "1712.5"}],
}
EQUITY: dict[str, Any] = {
    "provider": "synthetic",
    "is_real": False,
    "items": [
        {
            "day": "2025-11-05",
            **{name: VALUATION[name] for name in ("cash", "value", "equity", "net_deposits")},
            "stale": 0,
        }
    ],
}
