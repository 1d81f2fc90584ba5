"""What is wrong with a backtest or a strategy. English as raised, and Japanese."""

from app.words.language import Pair

BACKTEST_DETAILS: tuple[Pair, ...] = (
    ("terms were {names}, supported are {known}", "注文条件が {names} です。使えるのは {known} です"),
    ("shares were {shares}, expected whole lots of {lot}", "株数が {shares} です。{lot}株の単元で指定してください"),
    ("shares were {shares}, expected more than 0", "株数が {shares} です。0より大きくしてください"),
    ("limit and stop_at were both given, expected one", "limit と stop_at は一方だけを指定してください"),
    ("weight was {weight}, expected -10 to 10", "比率が {weight} です。-10から10にしてください"),
    ("symbol {symbol} is delisted", "銘柄 {symbol} は上場廃止です"),
    ("there are no bars to test on", "バックテストの対象となる足がありません"),
    ("a symbol has two bars of one time, expected one", "同じ時刻の足が2本ある銘柄があります。1本にしてください"),
    ("a bar has a price of 0 or less, or none", "価格が0以下、または価格のない足があります"),
    ("symbol was {symbol}, which is not in the panel", "銘柄 {symbol} は対象の足に含まれていません"),
    ("targets had shape {shape}, expected {expected}", "目標の配列の形が {shape} です。{expected} にしてください"),
    (
        "targets were beyond 10 times the equity, expected -10 to 10",
        "目標が資産の10倍を超えています。-10から10にしてください",
    ),
    (
        "cash was {cash}, expected more than 0 yen, at most 1e15",
        "資金が {cash} です。0円より大きく、1e15円以下にしてください",
    ),
    ("strategy was {name}, supported are {known}", "戦略が {name} です。使えるのは {known} です"),
    ("a parameter had no values", "値のないパラメーターがあります"),
    ("{name} was {value}, expected more than 0", "{name} が {value} です。0より大きくしてください"),
)
