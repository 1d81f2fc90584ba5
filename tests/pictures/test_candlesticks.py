"""Candlesticks as PNG: the same bytes for the same bars, bounded, and readable where no font has Japanese."""

import struct
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from kaboom.market.interval import Interval
from kaboom.pictures import drawing
from kaboom.pictures.candlesticks import CandlestickStyle, Indicators, draw_candlesticks
from kaboom.pictures.drawing import Speaker

_PNG = b"\x89PNG\r\n\x1a\n"


def bars(count: int = 40) -> pl.DataFrame:
    start = datetime(2025, 1, 6, tzinfo=UTC)
    closes = [2500.0 + (n * 37) % 90 for n in range(count)]
    return pl.DataFrame(
        {
            "opened_at": [start + timedelta(days=n) for n in range(count)],
            "open": [close - 10 for close in closes],
            "high": [close + 15 for close in closes],
            "low": [close - 20 for close in closes],
            "close": closes,
            "volume": [1000.0 * n for n in range(count)],
        }
    )


def size_of(content: bytes) -> tuple[int, int]:
    """Return width and height in pixels."""
    assert content.startswith(_PNG)
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_equal_bars_give_equal_bytes_and_others_do_not() -> None:
    first, again = draw_candlesticks(bars()), draw_candlesticks(bars())
    assert first == again
    assert size_of(first)[0] == 1200
    assert draw_candlesticks(bars().with_columns(close=pl.col("close") + 1)) != first


def test_an_indicator_below_makes_the_picture_higher() -> None:
    rsi = {"RSI 14": {"rsi": [None] * 14 + [50.0] * 26}}
    over = {"SMA 5": [float("nan")] * 4 + [2500.0] * 36}
    plain, more = draw_candlesticks(bars()), draw_candlesticks(bars(), indicators=Indicators(over=over, below=rsi))
    assert size_of(more)[1] > size_of(plain)[1]


def test_only_the_last_bars_are_drawn() -> None:
    drawing = CandlestickStyle(most_bars=20)
    assert draw_candlesticks(bars(100)[80:], style=drawing) == draw_candlesticks(bars(100), style=drawing)


def test_one_bar_and_a_volume_of_zero_can_be_drawn() -> None:
    assert size_of(draw_candlesticks(bars(1), interval=Interval.M1))[0] == 1200


def test_an_indicator_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one for each of 40 bars"):
        draw_candlesticks(bars(), indicators=Indicators(over={"SMA": [1.0]}))


def test_no_bar_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        draw_candlesticks(bars(0))


def test_without_a_japanese_font_words_are_english_and_names_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "find_japanese", lambda: None)
    speaker = Speaker("ja")
    assert speaker.say(("Volume", "出来高")) == "Volume"
    assert speaker.say(("7203 トヨタ自動車 daily", "7203 トヨタ自動車 日足")) == "7203 daily"
    assert size_of(draw_candlesticks(bars(), style=CandlestickStyle(title="トヨタ", language="ja")))[0] == 1200


def test_a_title_with_dollars_is_no_formula() -> None:
    assert size_of(draw_candlesticks(bars(), style=CandlestickStyle(title=r"$\frac{1$ ")))[0] == 1200
