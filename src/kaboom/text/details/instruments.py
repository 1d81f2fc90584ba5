"""What is wrong with an indicator, a corporate action, or a symbol list. English as raised, and Japanese."""

from kaboom.text.language import Pair

INSTRUMENT_DETAILS: tuple[Pair, ...] = (
    (
        "factor was {text}, expected {least} to {most}, but not 1",
        "調整係数が{text}です。1を除き、{least}から{most}の範囲で指定してください",
    ),
    (
        "dividend was {amount}, expected more than 0 yen a share, at most {most}",
        "配当が{amount}です。1株あたり0円より大きく、{most}円以下で指定してください",
    ),
    ("factor and dividend: expected one of them", "調整係数と配当はどちらか一方を指定してください"),
    (
        "factor was {text}, expected a number such as 1/2 or 0.5",
        "調整係数が {text} です。1/2 や 0.5 のように指定してください",
    ),
    (
        "interval was {interval}, expected an intraday one for indicator {text}",
        "指標 {text} は日中の足のための指標ですが、足種が {interval} です",
    ),
    ("code {symbol} was repeated, expected each once", "銘柄コード {symbol} が2回あります"),
    (
        "{file} is not a file, expected JPX's list of issues",
        "{file} はファイルではありません。JPXの銘柄一覧を指定してください",
    ),
    (
        "{file} is not a workbook ({reason}), expected .xls, .xlsx or .csv",
        "{file} は表計算ファイルではありません（{reason}）。.xls、.xlsx、.csv のどれかを指定してください",
    ),
    (
        "the list of {new} had no issue of {markets}, expected some as on {old}: it was not imported",
        "{new} の一覧には、{old} の一覧にある {markets} の銘柄がないため、取り込みませんでした",
    ),
    (
        "the list of {new} lacked {count} of {total} issues of {old} ({percent} %, such as {some}), expected at most {most} %: it was not imported",
        "{new} の一覧には、{old} の一覧の{total}銘柄のうち{count}銘柄（{percent}％、例：{some}）がありません。上限の{most}％を超えるため、取り込みませんでした",
    ),
    (
        "indicators had {count} entries, expected 1 to {most}",
        "指標が{count}件あります。1から{most}件で指定してください",
    ),
    (
        "indicator {name} had {count} parameters, expected at most: {names}",
        "指標 {name} のパラメーターが{count}個あります。使えるのは {names} です",
    ),
    ("indicator was {text}, expected {rule}", "指標が {text} です。指定できる形：{rule}"),
    ("indicator was {text}, supported are {names}", "指標が {text} です。使えるのは {names} です"),
    (
        "{parameter} of {name} was {text}, expected {kind} from {least} to {most}",
        "{name} の {parameter} が {text} です。{least}から{most}の範囲で指定してください（{kind}）",
    ),
    (
        "the file was {name}, expected a suffix of {names}",
        "ファイルが {name} です。拡張子は {names} から選んでください",
    ),
    ("{file} has {size} bytes, expected at most {most}", "{file} は{size}バイトあります。上限は{most}バイトです"),
    ("{file} could not be read: {reason}", "{file} を読み取れません：{reason}"),
    (
        "{file} lacks the columns {names}, expected JPX's list of issues (data_j.xls)",
        "{file} に列 {names} がありません。JPXの銘柄一覧（data_j.xls）を指定してください",
    ),
    (
        "{file} has more than {most} lines, expected JPX's list of issues",
        "{file} は{most}行を超えています。JPXの銘柄一覧を指定してください",
    ),
    (
        "{file} is neither UTF-8 nor CP932 text, expected a CSV of JPX's list",
        "{file} はUTF-8でもCP932でもありません。JPXの一覧のCSVを指定してください",
    ),
    (
        "{file} has {size} bytes unpacked, expected at most {most}",
        "{file} は展開すると{size}バイトあります。上限は{most}バイトです",
    ),
    (
        "{file} could not be read with {memory} MiB of memory in {seconds} s, or has more than {rows} rows of {columns} columns: expected JPX's list of issues (data_j.xls)",
        "{file} を{memory} MiBのメモリと{seconds}秒では読み取れないか、{columns}列の行が{rows}行を超えています。JPXの銘柄一覧（data_j.xls）を指定してください",
    ),
    (
        "the list had {count} shares under {dates} dates, expected shares under one date",
        "一覧に{dates}個の日付の{count}銘柄があります。日付が1つの一覧を指定してください",
    ),
    (
        "{name} was {text}, expected a date such as 20240329",
        "{name} が {text} です。20240329 のような日付にしてください",
    ),
    (
        "{where} began {text}, expected '# as_of=YYYY-MM-DD source=...'",
        "{where} の先頭が {text} です。'# as_of=YYYY-MM-DD source=...' で始まる必要があります",
    ),
    ("{where} held {text}, expected the columns {names}", "{where} に {text} があります。列は {names} です"),
    (
        "market was FILE, whose symbols come from the files; listings exist for TSE markets only",
        "市場区分がFILEです。FILEの銘柄はファイルから決まり、一覧があるのは東証の市場区分だけです",
    ),
)
