"""What is wrong with a portfolio or one of its entries. English as raised, and Japanese."""

from kaboom.text.language import Pair

PORTFOLIO_DETAILS: tuple[Pair, ...] = (
    (
        "{field} was {text}, expected yen from 0 to {most} with at most 4 digits after the point",
        "{field} が {text} です。0から{most}までの円で、小数は4桁以内にしてください",
    ),
    ("amount was 0, expected more", "amount が0です。0より大きい額にしてください"),
    ("price was 0, expected more", "price が0です。0より大きい額にしてください"),
    (
        "quantity was {count}, expected 1 to {most}",
        "quantity が {count} です。1株から{most}株にしてください",
    ),
    (
        "quantity was {count}, expected a multiple of {lot}",
        "quantity が {count} です。売買単位 {lot} の倍数にしてください",
    ),
    ("quantity was {text}, expected a whole number", "quantity が {text} です。整数にしてください"),
    (
        "day was {day}, not a trading day; the nearest are {before} and {after}; set force (--force) to book it",
        "{day} は立会日ではありません。前後の立会日は {before} と {after} です。それでも記帳するには force（--force）を指定してください",
    ),
    (
        "price of {symbol} was {price} yen on {day}, beside {low} to {high} yen on {near}; set force (--force) to book it",
        "{symbol} の {day} の約定価格は{price}円ですが、{near} の値幅は{low}円から{high}円です。それでも記帳するには force（--force）を指定してください",
    ),
    (
        "the trade was of {amount} yen, expected at most {most}",
        "約定代金が{amount}円です。{most}円以下にしてください",
    ),
    ("symbol of a {kind} was '', expected a symbol", "{kind} には symbol が必要です"),
    ("{field} of a {kind} was {text}, expected none", "{kind} の {field} が {text} です。空欄にしてください"),
    (
        "day was {day}, expected 1990-01-01 to {today}, today in Japan",
        "day が {day} です。1990-01-01から日本の今日 {today} までにしてください",
    ),
    (
        "note had {count} characters, expected at most {most} that print",
        "note が{count}文字です。表示できる文字で{most}文字以内にしてください",
    ),
    ("entry {entry_id} does not exist in this portfolio", "記帳 {entry_id} はこのポートフォリオにありません"),
    (
        "entry {entry_id} is a reversal or has one already",
        "記帳 {entry_id} は反対仕訳か、すでに反対仕訳があります",
    ),
    (
        "{symbol} would be short on {day}: {sold} sold, {held} held",
        "{day}に {symbol} の保有が足りません。売却{sold}株に対して保有は{held}株です",
    ),
    (
        "cash would be {amount} yen on {day}, expected 0 or more",
        "{day}に現金が{amount}円になります。0円以上でなければなりません",
    ),
    (
        "the header was {text}, expected {names}",
        "見出し行が {text} です。{names} にしてください",
    ),
    (
        "the file had no entry, expected at least one line below its header",
        "ファイルに記帳がありません。見出し行の下に1行以上必要です",
    ),
    (
        "the line had another number of cells than the header, expected {count}",
        "行の列数が見出し行と違います。{count}列にしてください",
    ),
    ("the line is no CSV: {reason}", "CSVとして読めない行です：{reason}"),
    (
        "portfolio {portfolio_id} does not exist: an id is 32 hex digits",
        "ポートフォリオ {portfolio_id} は存在しません。IDは16進数32桁です",
    ),
    (
        "a portfolio named {name} exists already: choose another name",
        "{name} という名前のポートフォリオはすでにあります。別の名前にしてください",
    ),
    ("there are {count} portfolios already, which is the limit", "ポートフォリオが上限の{count}件に達しています"),
    (
        "the portfolio would have more than {count} entries, which is the limit: begin another one",
        "ポートフォリオの記帳が上限の{count}件を超えます。別のポートフォリオを作ってください",
    ),
    (
        "first was {first}, expected at most {days} days before {last}",
        "first が {first} です。{last} より{days}日前までにしてください",
    ),
    ("line {line}: {why}", "{line}行目：{why}"),
)
