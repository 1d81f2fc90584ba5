"""Error messages about your own files: the place, and what was expected there."""

from kaboom.text.language import Pair

FILE_DETAILS: tuple[Pair, ...] = (
    (
        "{file}, line {line}, column {column}: {why} ({rows} rows)",
        "{file} {line}行目 列「{column}」：{why}（{rows}行）",
    ),
    ("{file}, line {line}, column {column}: {why}", "{file} {line}行目 列「{column}」：{why}"),
    ("{file}, line {line}: {why} ({rows} rows)", "{file} {line}行目：{why}（{rows}行）"),
    ("{file}, line {line}: {why}", "{file} {line}行目：{why}"),
    (
        "expected a date such as 2024-11-05, 2024-11-05 09:00:00+09:00 or epoch seconds, found {text}",
        "2024-11-05、2024-11-05 09:00:00+09:00、またはエポック秒の日時が必要です。値は {text} です",
    ),
    ("expected a date and a symbol in every row, found none", "日付または銘柄のない行があります"),
    ("{stored} of {rows} rows were stored; {why}", "{rows}行のうち{stored}行を保存しました。{why}"),
    ("every row was rejected: {reasons}", "すべての行を除外しました：{reasons}"),
    ("rejected: {reasons} ({file}, line {line})", "品質検査で除外した行があります：{reasons}（{file} {line}行目）"),
    ("rejected: {reasons} ({rows} rows)", "品質検査で除外した行があります：{reasons}（{rows}行）"),
    ("rejected: {reasons}", "品質検査で除外した行があります：{reasons}"),
    ("expected a year from 1900 to 2099, found {text}", "年は1900から2099までです。値は {text} です"),
    (
        "expected a symbol as the name of the file, found {name}, the year or month of all its rows: name the file after its symbol, or set KABOOM_FILE_SYMBOLS",
        "ファイル名 {name} は銘柄コードではなく、全行の年または月と読めます。ファイル名を銘柄コードにするか、KABOOM_FILE_SYMBOLS で指定してください",
    ),
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
    (
        "expected a number, found {text}; if its comma is before the decimals, set decimal in files.toml",
        "数値が必要です。値は {text} です。カンマが小数点なら、files.toml の decimal で指定してください",
    ),
    ("expected a number, found {text}", "数値が必要です。値は {text} です"),
    (
        "expected a clear number, found {text}: its comma or dot may separate thousands or decimals: set decimal in files.toml",
        "{text} のカンマまたはピリオドは、桁区切りとも小数点とも読めます。files.toml の decimal で指定してください",
    ),
    (
        "expected a year of four digits, found {text}, of which the first or the last two may be the year: set KABOOM_FILE_DATE_ORDER",
        "年は4桁で書いてください。{text} では、どの2桁が年かわかりません。KABOOM_FILE_DATE_ORDER で指定できます",
    ),
    (
        "expected the unit of volumes in the name of their column, such as Volume (thousands), found {text}",
        "出来高の単位は、「出来高（千株）」のように列の名前に書いてください（{text} とあります）",
    ),
    (
        "expected a header such as Date,Time,Open,High,Low,Close,Volume above the rows, found none",
        "ヘッダーがありません。行の上に「日付,時刻,始値,高値,安値,終値,出来高」のような列名を書いてください",
    ),
    (
        "expected one table, found a second one below a title: make a file of each",
        "表の下に、見出しのある別の表があります。表ごとに別のファイルにしてください",
    ),
    (
        "expected one row for each time, found {text} with other prices again, as in {rows} rows: name the column of their times Time, or that of their symbols Symbol",
        "価格の異なる行が同じ日時 {text} にあり、このような行が{rows}行あります。時刻の列なら「時刻」、銘柄コードの列なら「コード」という名前にしてください",
    ),
    (
        "expected a time of day of the exchange, as in the other rows, found {text}",
        "ほかの行と同じ、立会時間内の時刻が必要です。値は {text} です",
    ),
    (
        "expected a date, found {text}, which may be Excel's number of a day: format the column as dates",
        "日付が必要です。値は {text} です。Excelのシリアル値であれば、列の表示形式を日付にしてください",
    ),
    (
        "expected one header, found the column {name} in a row",
        "ヘッダーは1つにしてください。行の中に列名 {name} があります",
    ),
    ("expected one column {name}, found several", "列 {name} が複数あります"),
    (
        "expected symbol {name} as in the name of the file, found {symbol}",
        "ファイル名の銘柄は {name} ですが、行の銘柄は {symbol} です",
    ),
    (
        "expected a second quotation mark, found the end of the file",
        "引用符が閉じられないまま、ファイルが終わっています",
    ),
    (
        "expected text in UTF-8, CP932 or UTF-16, found other bytes",
        "文字コードはUTF-8、CP932、UTF-16のいずれかにしてください",
    ),
    (
        "expected year-month-day, found {text}, which may be month/day or day/month: set KABOOM_FILE_DATE_ORDER",
        "年-月-日で書いてください。{text} は月/日とも日/月とも読めます。KABOOM_FILE_DATE_ORDER で指定できます",
    ),
    (
        "expected one order of day and month, found {text} beside dates in the other order",
        "日と月の順序が混在しています（{text}）",
    ),
    (
        "expected times with a time zone, found {text}: set KABOOM_FILE_TIME_ZONE",
        "時刻 {text} のタイムゾーンがわかりません。KABOOM_FILE_TIME_ZONE で指定してください",
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
    ("expected a day of its era, found {text}", "元号の期間にない日付です：{text}"),
    (
        "expected open, high, low and close, found one value a day for each symbol: put open.csv, high.csv, low.csv and close.csv into one folder",
        "銘柄ごとに1日1つの値しかありません。始値・高値・安値・終値のファイル open.csv、high.csv、low.csv、close.csv を同じフォルダーに置いてください",
    ),
    (
        "expected the same symbols in each price, found {symbol} not in each",
        "銘柄 {symbol} のないファイルがあります。どの値のファイルにも同じ銘柄が必要です",
    ),
    ("expected one column for each symbol, found two of {symbol}", "銘柄 {symbol} の列が二つあります"),
    ("expected a column for each symbol, found none", "銘柄の列がありません"),
    (
        "expected the same days in the same lines, found others in {file}",
        "{file} の日付が終値のファイルと違います。同じ行に同じ日付が必要です",
    ),
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
        "{volume} is 0 in every row beside {ticks}: bars are stored with volume 0",
        "列 {ticks} に値がありますが、列 {volume} はすべて0のため、出来高0で保存します",
    ),
    (
        "{file}: {volume} is 0 in every row beside {ticks}: bars are stored with volume 0",
        "{file}：列 {ticks} に値がありますが、列 {volume} はすべて0のため、出来高0で保存します",
    ),
    (
        "adjusted prices are not stored: Kaboom stores prices as traded, and adjusts them by splits",
        "調整後の価格は保存しません。約定時の価格を保存し、分割で調整します",
    ),
    ("expected CSV files in the zip, found none", "zipの中にCSVがありません"),
    (
        "expected / between the folders of a zip, found a backslash: pack it again",
        "zipの中のフォルダーの区切りは / だけです（\\ があります）。圧縮し直してください",
    ),
    ("expected numbers", "数値が必要です"),
    ("expected a readable {kind} file, found: {why}", "{kind}ファイルとして読めません：{why}"),
    (
        "expected a value in each cell, found lists in column {column}",
        "列 {column} のセルはリストです。値を一つずつ入れてください",
    ),
    ("expected CSV files in a zip: unpack this one", "zipの中で読めるのはCSVだけです。展開してください"),
    ("expected at most {most} files in a zip, found {found}", "zipの中のファイルは {most} 個までです：{found}"),
    (
        "expected a zip that unpacks to at most {most} times its size, found {bytes} bytes in {size}",
        "zipの展開後の大きさは元の {most} 倍までです：{size} バイトが {bytes} バイトになります",
    ),
    (
        "expected a path within the zip, found one that may lead out of it",
        "zipの外を指すおそれのあるパスは読み取りません",
    ),
    (
        "expected a path of at most {most} characters, found {found}",
        "zipの中のパスは {most} 文字までです：{found} 文字",
    ),
    ("expected a zip without a password, found one with a password", "パスワード付きのzipは読み取れません"),
    ("expected a file, found a link", "zipの中のリンクは読み取りません"),
    (
        "expected a zip that is packed by deflate, found another way",
        "このzipの圧縮方式には対応していません（deflateのみ）",
    ),
    ("expected names that differ, found the same name twice", "zipの中に同じ名前のファイルが二つあります"),
    (
        "expected cells in one sheet, found them in {names}: save each as a file",
        "値のあるシートは一つだけにしてください。シートごとに別のファイルに保存してください：{names}",
    ),
    (
        "expected one of {keys}, found the key {key}; did you mean {near}?",
        "キー {key} はありません。{near} ではありませんか（使えるキー：{keys}）",
    ),
    ("expected one of {keys}, found the key {key}", "キー {key} はありません（使えるキー：{keys}）"),
    ("expected the key {key} in each rule, found none", "どの規則にもキー {key} が必要です"),
    ("expected TOML, found: {why}", "TOMLとして読めません：{why}"),
    ("files.toml: {why}", "ファイル files.toml：{why}"),
    ("expected a text in UTF-8, found: {why}", "UTF-8のテキストではありません：{why}"),
    ("expected at most {most} bytes, found {found}", "大きさは {most} バイトまでです（{found} バイトあります）"),
    (
        "expected files that the rule {files} matches, found none",
        "規則 {files} に一致するファイルがありません",
    ),
    *(
        (f"{{file}}{end}: {{why}}", f"ファイル {{file}}{end}：{{why}}")
        for end in (".csv", ".gz", ".txt", ".xlsx", ".zip")
    ),
    (
        "interval was {interval}, the files in {folder} hold {names}: {why}",
        "足種 {interval} の足は {folder} のファイルにありません（ある足種：{names}）。{why}",
    ),
    (
        "interval was {interval}, the files in {folder} hold {names}",
        "足種 {interval} の足は {folder} のファイルにありません（ある足種：{names}）",
    ),
    (
        "expected files ending in {endings} in {folder}, which holds none",
        "{folder} に {endings} のファイルがありません",
    ),
    (
        "expected files ending in {endings} in {folder}, which does not exist",
        "{folder} がありません（読み取るファイルは {endings} です）",
    ),
    (
        "expected CSV, Excel (.xlsx) or Parquet, found {kind}: save it as one of them",
        "CSV、Excel（.xlsx）、Parquetのいずれかで保存してください。{kind} は読み取れません",
    ),
    (
        "expected rules, found values nested too deeply",
        "規則として読めません。入れ子が深すぎます",
    ),
    ("expected at most {most} characters in a line, found more", "1行は {most} 文字までです"),
    ("expected at most {most} bytes, found more", "大きさは {most} バイトまでです"),
    (
        "expected a name such as {example}, found {key} = {value}",
        "{key} = {value} は使えません。{example} のような名前にしてください",
    ),
    ("expected {choices}, found {key} = {value}", "{key} = {value} は使えません。使える値：{choices}"),
    (
        "{symbol} has days that {other} has too: of two bars, that of the later file counts",
        "{symbol} には {other} と重なる日があります。重なる足は後のファイルのものを使います",
    ),
)
