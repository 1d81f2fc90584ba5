"""What is wrong with a backtest or a strategy. English as raised, and Japanese."""

from kaboom.text.language import Pair

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
    (
        "targets returned {found}, expected a numpy array of numbers of shape {expected}",
        "targets が返した値は {found} です。形が {expected} の、数値のNumPy配列を返してください",
    ),
    ("targets had shape {shape}, expected {expected}", "目標の配列の形が {shape} です。{expected} にしてください"),
    (
        "targets were beyond 10 times the equity, expected -10 to 10",
        "目標が資産の10倍を超えています。-10から10にしてください",
    ),
    (
        "cash was {cash}, expected more than 0 yen, at most 1e15",
        "資金が {cash} です。0円より大きく、1e15円以下にしてください",
    ),
    (
        "strategy was {name}, which is one of Kaboom's and a file of KABOOM_STRATEGIES_DIR: rename the file",
        "戦略 {name} は、Kaboomの戦略とKABOOM_STRATEGIES_DIRのファイルの両方にあります。ファイルの名前を変えてください",
    ),
    ("strategy was {name}, supported are {known}", "戦略が {name} です。使えるのは {known} です"),
    (
        "the list {text} had more than {most} values, expected at most so many",
        "一覧 {text} の値が多すぎます。{most}個以下にしてください",
    ),
    (
        "matplotlib is not installed: pictures need kaboom-api[pictures]",
        "matplotlib がありません。画像には kaboom-api[pictures] が必要です",
    ),
    ("the picture was not drawn in {seconds} s", "画像を {seconds}秒以内に作成できませんでした"),
    (
        "the picture was not drawn: its process ended with {code}",
        "画像を作成できませんでした。プロセスは {code} で終了しました",
    ),
    (
        "the strategy decided nothing in {bars} bars of {symbols} symbols: nothing was compared",
        "戦略は{symbols}銘柄、{bars}本の足で何も判断せず、比べるものがありません",
    ),
    (
        "a test on {bars} bars takes about {needed} GB of memory, and {free} GB are free: choose fewer symbols or sessions, or longer bars",
        "{bars}本の足の検証には約 {needed} GB のメモリが必要ですが、空きは {free} GB です。銘柄か立会日を減らすか、長い足を選んでください",
    ),
    (
        "{name} had {value} more than once, expected each value once",
        "{name} に {value} が2回以上あります。同じ値は1回だけ指定してください",
    ),
    ("symbols and market: expected one of them", "symbols と market はどちらか一方を指定してください"),
    ("out_of_sample and folds: expected one of them", "out_of_sample と folds は一方だけを指定してください"),
    (
        "parameters had {size} combinations, expected at most {most}",
        "パラメーターの組み合わせが{size}件あります。{most}件以下にしてください",
    ),
    ("parameters had no combination", "パラメーターの組み合わせがありません"),
    (
        "market was {market}, whose symbols no list has: name some",
        "市場区分 {market} の銘柄一覧はありません。銘柄を指定してください",
    ),
    (
        "no {source} {interval} bars of {names} are held, and no symbol list has {unknown}; nearest to it: {near}",
        "{names} の {source} {interval} 足がなく、{unknown} は銘柄一覧にもありません。近い銘柄コード：{near}",
    ),
    (
        "no {source} {interval} bars of {names} from {first} to {last} are held; take some by `{command}`",
        "{names} の {source} {interval} 足（{first}～{last}）がありません。`{command}` で取り込めます",
    ),
    (
        "no {source} {interval} bars of {names} from {first} to {last} were held at {at}; take some by `{command}`",
        "{at} の時点で {names} の {source} {interval} 足（{first}～{last}）がありません。`{command}` で取り込めます",
    ),
    (
        "benchmark was topix, and no {interval} bars of it or of a fund of it are held ({names}): take some by `{command}`, or name no benchmark to compare with equal weights of the symbols",
        "TOPIXとその連動ETF（{names}）の {interval} 足がありません。`{command}` で取り込むか、benchmark を省いて銘柄の等ウェイトと比べてください",
    ),
    ("no bars of TOPIX ({names}) are held", "TOPIXとその連動ETF（{names}）の足がないため、TOPIXとは比べていません"),
    (
        "its bars are of {first} to {last}, and it is flat before and after",
        "足があるのは{first}～{last}で、その前後は横ばいとしています",
    ),
    (
        "symbols had {symbol}, an index, which cannot be bought: name it as the benchmark",
        "銘柄に指数 {symbol} があります。指数は売買できません。benchmark に指定してください",
    ),
    ("benchmark was {symbol}, of which no bars are held", "ベンチマーク {symbol} の足がありません"),
    (
        "a train or test period had fewer than {least} of {count} sessions",
        "全{count}立会日のうち、{least}立会日に満たない学習期間または検証期間があります",
    ),
    (
        "strategy {name} has on_bar, and a sweep needs targets",
        "戦略 {name} は on_bar 型です。探索には targets が必要です",
    ),
    (
        "strategy {name} has changed since the sweep was planned: submit it again",
        "戦略 {name} が計画後に変わりました。もう一度投入してください",
    ),
    (
        "the bars have changed since the sweep was planned: submit it again",
        "足が計画後に変わりました。もう一度投入してください",
    ),
    (
        "strategy {name} took more than {seconds} s, the limit of KABOOM_STRATEGY_TIMEOUT_S",
        "戦略 {name} が KABOOM_STRATEGY_TIMEOUT_S の上限 {seconds}秒を超えました",
    ),
    (
        "strategy {name} needed more than {most} MiB of memory, the limit of KABOOM_STRATEGY_MEMORY_MB",
        "戦略 {name} が KABOOM_STRATEGY_MEMORY_MB の上限 {most} MiB を超えるメモリを必要としました",
    ),
    (
        "the process of strategy {name} did not start in {seconds} s",
        "戦略 {name} のプロセスが{seconds}秒以内に起動しませんでした",
    ),
    (
        "the process of strategy {name} was killed: the machine or its container has too little memory, or somebody killed it",
        "戦略 {name} のプロセスが強制終了されました。マシンまたはコンテナのメモリ不足か、外部からの終了です",
    ),
    ("the process of strategy {name} did not start: {why}", "戦略 {name} のプロセスが起動しませんでした：{why}"),
    (
        "the process of strategy {name} crashed with {signal}",
        "戦略 {name} のプロセスが {signal} で異常終了しました",
    ),
    (
        "the process of strategy {name} ended with exit code {code}",
        "戦略 {name} のプロセスが終了コード {code} で終了しました",
    ),
    (
        "strategy {name} sent data that cannot be read: {why}",
        "戦略 {name} から読み取れないデータを受け取りました：{why}",
    ),
    ("strategy {name} failed: {message}", "戦略 {name} でエラーが発生しました：{message}"),
    (
        "strategy {name} changed its account or an order other than by the methods of its context, before {day}: to change an order, cancel it and place another",
        "戦略 {name} が context のメソッドを使わずに口座または注文を変更しました（{day} より前）。注文の変更には、キャンセルと新しい注文が必要です",
    ),
    (
        "the strategy made more than {most} decisions, expected at most so many",
        "戦略の判断が{most}回を超えました。これ以下にしてください",
    ),
    ("no trial of the sweep has ended", "完了した試行がありません"),
    (
        "the best trials are chosen when all have run: {count} chunks left",
        "すべての試行が終わると最良の試行を選びます（残り{count}チャンク）",
    ),
    ("job {job_id} has no {name}; its status is {status}", "ジョブ {job_id} に {name} はありません（状態 {status}）"),
    (
        "{name} had {size} bytes, expected at most {most}",
        "{name} が{size}バイトあります。{most}バイト以下にしてください",
    ),
    ("{file} has no class Strategy, expected one", "{file} にクラス Strategy がありません"),
    (
        "{file}: Strategy has neither targets nor on_bar, expected one",
        "{file} の Strategy に targets も on_bar もありません",
    ),
    ("{file} could not be loaded: {kind}: {message}", "{file} を読み込めません：{kind}：{message}"),
    (
        "parameters had the line {line}, expected name = value once",
        "パラメーターの行 {line} を読めません。「名前 = 値」を1つの名前につき1行で書いてください",
    ),
    (
        "{option} was {text}, expected NAME=VALUE such as {such}",
        "{option} が {text} です。{such} のように 名前=値 で指定してください",
    ),
    (
        "--model was {text}, expected JSON such as {such}",
        "--model が {text} です。{such} のようなJSONで指定してください",
    ),
    ("{name} was {value}, expected more than 0", "{name} が {value} です。0より大きくしてください"),
)
