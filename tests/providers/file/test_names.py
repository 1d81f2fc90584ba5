"""The names that charts and terminals give to their exports say the symbol; a code of another exchange is no code."""

import pytest

from kaboom.errors import InvalidRequest
from kaboom.providers.file.names import NameRules


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("TSE_7203, 5.csv", "7203"),
        ("TSE_DLY_7203, 1D.csv", "7203"),
        ("TSE_7203, 1D_1a2b3.csv", "7203"),
        ("TSE_DLY_285A, 240 (1).csv", "285A"),
        ("TSE_DLY_TOPIX, 1D.csv", "TOPIX"),
        ("NASDAQ_AAPL, 15.csv", "AAPL"),
        ("7203_Daily_202401040000_202412300000.csv", "7203"),
        ("7203.T_M1_202401040900_202412301525.csv", "7203"),
        ("7203_Daily_20240104_20241230.csv", "7203"),
        ("USDJPY_H1_202401040900_202412301500.csv", "USDJPY"),
        ("7203.T.csv", "7203"),
        ("bars/TSE_7203, 5.csv", "7203"),
    ],
)
def test_a_name_of_an_export_says_the_symbol(name: str, symbol: str) -> None:
    assert NameRules().find(name) == symbol


@pytest.mark.parametrize(
    "name",
    ["TWSE_2330, 1D.csv", "NAG_7203, 1D.csv", "7203_6758.csv", "7203, 5, 6.csv", "x_7203, 5.csv"],
)
def test_a_code_of_another_exchange_or_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="does not say which symbol it is of"):
        NameRules().find(name)
