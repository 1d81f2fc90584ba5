"""Error messages about your own files: the place, and what was expected there."""

from app.words.language import Pair

FILE_DETAILS: tuple[Pair, ...] = (
    ("{file}, line {line}, column {column}: {why}", "{file} {line}行目 列「{column}」：{why}"),
    ("{file}, line {line}: {why}", "{file} {line}行目：{why}"),
    ("{stored} of {rows} rows were stored; {why}", "{rows}行のうち{stored}行を保存しました。{why}"),
    ("every row was rejected: {reasons}", "すべての行を除外しました：{reasons}"),
    ("rejected: {reasons} ({file}, line {line})", "品質検査で除外した行があります：{reasons}（{file} {line}行目）"),
    ("rejected: {reasons} ({rows} rows)", "品質検査で除外した行があります：{reasons}（{rows}行）"),
    ("rejected: {reasons}", "品質検査で除外した行があります：{reasons}"),
    ("expected a year from 1900 to 2099, found {text}", "年は1900から2099までです。値は {text} です"),
    ("not in your files", "ファイルにない銘柄です"),
    (
        "no {interval} bars of it are in your files; to see what they have: kaboom files check",
        "この銘柄の {interval} の足はファイルにありません。ファイルの内容を見るには：kaboom files check",
    ),
    (
        "not in your files on these days; they have it from {first} to {last}",
        "この期間はファイルにありません。ファイルにあるのは {first} から {last} までです",
    ),
    (
        "no {interval} day from {first} to {last} is in the files; they have {count} days from {begin} to {end}",
        "{first} から {last} までの {interval} はファイルにありません。ファイルにあるのは {begin} から {end} までの{count}日分です",
    ),
    ("expected a number, found {text}", "数値が必要です。値は {text} です"),
    (
        "expected a year of four digits, found {text}, of which the first or the last two may be the year{rest}",
        "年は4桁で書いてください。{text} では、どの2桁が年かわかりません{rest}",
    ),
    (
        "expected year-month-day, found {text}, which may be month/day or day/month: set KABOOM_FILE_DATE_ORDER{rest}",
        "年-月-日で書いてください。{text} は月/日とも日/月とも読めます。KABOOM_FILE_DATE_ORDER で指定できます{rest}",
    ),
    (
        "expected one order of day and month, found {text} beside dates in the other order{rest}",
        "日と月の順序が混在しています（{text}）{rest}",
    ),
    (
        "expected times with a time zone, found {text}: set KABOOM_FILE_TIME_ZONE",
        "時刻 {text} のタイムゾーンがわかりません。KABOOM_FILE_TIME_ZONE で指定してください",
    ),
    (
        "expected times with a time zone, found {text}: set KABOOM_FILE_TIME_ZONE ({rows} rows)",
        "時刻 {text} のタイムゾーンがわかりません。KABOOM_FILE_TIME_ZONE で指定してください（{rows}行）",
    ),
    (
        "expected a column of volume, found none beside the unknown {names}: rename or remove it",
        "出来高の列がありません。不明な列 {names} の名前を変えるか、列を取り除いてください",
    ),
    (
        "the name {name} does not say which symbol it is of: name the file after it, or set KABOOM_FILE_SYMBOL_PATTERN or KABOOM_FILE_SYMBOLS",
        "ファイル名 {name} から銘柄がわかりません。銘柄コードを名前にするか、KABOOM_FILE_SYMBOL_PATTERN または KABOOM_FILE_SYMBOLS を設定してください",
    ),
    (
        "{file}: the name {name} does not say which symbol it is of: name the file after it, or set KABOOM_FILE_SYMBOL_PATTERN or KABOOM_FILE_SYMBOLS",
        "{file}：ファイル名 {name} から銘柄がわかりません。銘柄コードを名前にするか、KABOOM_FILE_SYMBOL_PATTERN または KABOOM_FILE_SYMBOLS を設定してください",
    ),
    ("expected a header and rows, found an empty file", "ファイルが空です"),
    ("expected text, found a NUL byte", "テキストではありません（NULバイトがあります）"),
    ("expected {count} fields as in the header, found {found}", "列の数がヘッダー（{count}列）と違います：{found}列"),
    ("expected a column {names}, found only {found}", "列 {names} がありません。ある列：{found}"),
    (
        "expected bars of {intervals}, found one every {days} days",
        "対応する足種は {intervals} です。{days}日ごとの足でした",
    ),
    (
        "expected bars of {intervals}, found steps of {seconds} seconds",
        "対応する足種は {intervals} です。{seconds}秒ごとの足でした",
    ),
    (
        "expected at least two rows to tell the interval from, found one",
        "行が1行だけのため、足種がわかりません。2行以上にしてください",
    ),
    (
        "expected a file of this folder, found a link that leads out of it",
        "フォルダーの外を指すリンクは読み取りません",
    ),
    (
        "calendar {name} needs a package: pip install exchange-calendars",
        "カレンダー {name} にはパッケージが必要です：pip install exchange-calendars",
    ),
    (
        "calendar was {name}, expected a name such as XNYS or XTKS",
        "カレンダーが {name} です。XNYS や XTKS のような名前を指定してください",
    ),
    (
        "bars are kept in InfluxDB, whose rejected rows Kaboom cannot delete",
        "足はInfluxDBにあり、隔離した行をKaboomからは削除できません",
    ),
    (
        "the symbol pattern {pattern} does not match {name}",
        "銘柄のパターン {pattern} が {name} に一致しません",
    ),
    ("no column of volume: bars are stored with volume 0", "出来高の列がないため、出来高0で保存します"),
    (
        "adjusted prices are not stored: Kaboom stores prices as traded, and adjusts them by splits",
        "調整後の価格は保存しません。約定時の価格を保存し、分割で調整します",
    ),
    (
        "{symbol} has days that {other} has too: of two bars, that of the later file counts",
        "{symbol} には {other} と重なる日があります。重なる足は後のファイルのものを使います",
    ),
)
