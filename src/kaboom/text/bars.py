"""What the commands on bars, corporate actions and symbols say."""

from kaboom.text.language import Pair

BAR_WORDS: dict[str, Pair] = {
    "no_bars": (
        "no bars of {what} in {place}; ingest some: {command}",
        "{place} に{what}の足はありません。取り込むには：{command}",
    ),
    "no_rejected_rows": (
        "{source} {interval}: no row was rejected",
        "{source} {interval}：隔離した行はありません",
    ),
    "rejected_rows": (
        "{source} {interval}: {total:,} rejected rows ({reasons})",
        "{source} {interval}：隔離した行 {total:,}件（{reasons}）",
    ),
    "more_rejected_rows": ("there are more: --cursor {cursor}", "続きがあります：--cursor {cursor}"),
    "any_interval": ("any interval", "どの足種"),
    "last_days": ("{interval} of the last {days:,} days", "直近{days:,}日の{interval}"),
    "on_day": ("{what} on {day}", "{day} の {what} "),
    "bars_of": ("{symbol} {interval}: {n:,} bar || {symbol} {interval}: {n:,} bars", "{symbol} {interval}：{n:,}本"),
    "cells_of": (
        "{interval}: {n:,} symbol session || {interval}: {n:,} symbol sessions",
        "{interval}：延べ{n:,}銘柄日",
    ),
    "cells_of_indices": (
        "{interval}: {n:,} index session || {interval}: {n:,} index sessions",
        "{interval}：延べ{n:,}指数日",
    ),
    "more_bars": ("… {count:,} more: --all", "ほか{count:,}本：--all"),
    "more_gaps": ("… {count:,} more: --json", "ほか{count:,}件：--json"),
    "name_more": ("{named} … {count:,} more", "{named} ほか{count:,}件"),
    "nothing_missing_of": ("{interval}: nothing is missing", "{interval}：欠損はありません"),
    "gaps_found": (
        "{interval}: {cells:,} symbol sessions of {symbols} ({states})",
        "{interval}：{symbols}、延べ{cells:,}銘柄日（{states}）",
    ),
    "repair": ("ingest what is missing with: {command}", "欠損を補完するには：{command}"),
    "suspects": (
        "{count:,} symbol sessions are short, lack the closing auction or differ from their daily bar; to ingest these too: --include-short",
        "足の本数が少ない、クロージング・オークションがない、または日足と一致しないものが延べ{count:,}銘柄日あります。これらも取り込むには：--include-short",
    ),
    "nothing_damaged": ("nothing is damaged in {place}", "{place} に破損はありません"),
    "not_repairable": (
        "bars are kept in {place}, which Kaboom cannot repair: use the server's own tools",
        "足は {place} にあり、Kaboomでは修復できません。サーバー付属のツールを使ってください",
    ),
    "not_submitted": (
        "the backfill could not be submitted: {reason}",
        "欠損の補完を投入できませんでした：{reason}",
    ),
    "symbols_guessed": (
        "the symbols of a damaged file are unknown: the symbols of the source's other files are used",
        "破損したファイルから銘柄を読み取れないため、同じデータ提供元のほかのファイルにある銘柄を使います",
    ),
    "no_actions": (
        "no corporate actions of {source}; an ingest records them, and `kaboom actions add` adds one by hand",
        "{source} のコーポレートアクションはありません。取り込みの際に記録されます。手で追加するには `kaboom actions add` を使ってください",
    ),
    "no_such_action": (
        "{source} has no action of {symbol} on {ex_session}; those that it has: kaboom actions list --symbol {symbol} --source {source}",
        "{source} に {symbol} の {ex_session} のコーポレートアクションはありません。登録済みのものを見るには：kaboom actions list --symbol {symbol} --source {source}",
    ),
    "actions_suspected": (
        "{count:,} suspected and not applied; if the first is right: kaboom actions confirm {which}\nif it is not: kaboom actions reject {which}",
        "{count:,}件は推定のため適用されません。先頭の1件が正しければ：kaboom actions confirm {which}\n誤りであれば：kaboom actions reject {which}",
    ),
    "action_kept": (
        "{state} for the bars of {source}; raw bars do not change",
        "{source} の足に対して{state}としました。未調整の足は変わりません",
    ),
    "exported": (
        "{bars:,} bars in {files:,} files, {bytes:,} bytes",
        "足{bars:,}本、{files:,}ファイル、{bytes:,}バイト",
    ),
    "choose_source": (
        "bars of several sources are held ({sources}): choose one with --source",
        "複数のデータ提供元の足があります（{sources}）。--source で選んでください",
    ),
    "source_chosen": (
        "bars of {source}; also held, for --source: {others}",
        "{source} の足です。ほかに --source で選べるもの：{others}",
    ),
    "made_up": (
        "source: {source} — generated, not market data",
        "データ提供元：{source}（生成したデータで、実際の相場ではありません）",
    ),
    "source": ("source: {source}", "データ提供元：{source}"),
    "no_listing": (
        "no listed symbol has {text} in its code, name or sector",
        "コード、名前、業種に {text} を含む銘柄はありません",
    ),
    "more_listings": ("{left:,} more; --limit shows them", "ほかに{left:,}件あります。--limit で表示できます"),
    "never_listed": (
        "no list names {symbol}; import JPX's list of another date: kaboom symbols import data_j.xls",
        "{symbol} はどの一覧にもありません。別の日付の一覧を取り込むには：kaboom symbols import data_j.xls",
    ),
    "imported": (
        "imported {count} listings as of {as_of}: {path}",
        "{as_of} 時点の{count}銘柄を取り込みました：{path}",
    ),
    "other_sessions": (
        "… {n:,} other session ({verdicts}): --json || … {n:,} other sessions ({verdicts}): --json",
        "ほかの立会日 {n:,}日（{verdicts}）：--json",
    ),
    "quarantined_rows": (
        "{n:,} row of these days is in quarantine: {command} || {n:,} rows of these days are in quarantine: {command}",
        "この期間の{n:,}行を隔離しています：{command}",
    ),
    "files_checked": (
        "{files:,} files: {rows:,} rows of {symbols:,} symbols; files with something that is not stored: {refused:,}",
        "{files:,}ファイル：{symbols:,}銘柄、{rows:,}行。保存できない箇所のあるファイル {refused:,}件",
    ),
    "files_stored": (
        "an ingest stores {stored:,} of {rows:,} rows and rejects {rejected:,}: {days}",
        "取り込むと{rows:,}行のうち{stored:,}行を保存し、{rejected:,}行を隔離します：{days}",
    ),
    "files_days": (
        "{interval} {count:,} days from {first} to {last}",
        "{interval}：{first} から {last} までの{count:,}日分",
    ),
    "outside": (
        "{interval}: {rows:,} of {of:,} rows are of other days, {first} to {last}; to take all: {command}",
        "{interval}：{of:,}行のうち{rows:,}行（{first} から {last} まで）は対象期間外です。すべて取り込むには：{command}",
    ),
    "files_up": ("start Kaboom with: {command}", "Kaboomを起動するには：{command}"),
    "files_next": ("then ingest them in another terminal: {command}", "別のターミナルで取り込むには：{command}"),
    "more_refusals": ("{file}: {count:,} more: --json", "{file}：ほか{count:,}件（--json）"),
    "unknown_columns": ("(not recognised: {names})", "（不明な列：{names}）"),
    "indicator_bounds": ("{name} {least:g} to {most:g}", "{name} {least:g}–{most:g}"),
}
