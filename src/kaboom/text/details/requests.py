"""What is wrong with a request: jobs, sessions, symbols, intervals, providers. English as raised, and Japanese."""

from kaboom.text.language import Pair

REQUEST_DETAILS: tuple[Pair, ...] = (
    (
        "symbols and market were given, expected one of them",
        "symbolsとmarketの両方が指定されました。どちらか一方を指定してください",
    ),
    (
        "session and a span were given, expected one of them",
        "sessionと期間の両方が指定されました。どちらか一方を指定してください",
    ),
    ("interval was {text}, supported are {names}", "足種が {text} です。使えるのは {names} です"),
    ("first was {day}, expected a day up to {newest}", "最初の日が {day} です。{newest} までの日を指定してください"),
    (
        "first was {day} beside all_days, expected one of both",
        "最初の日 {day} とall_daysの両方が指定されました。どちらか一方を指定してください",
    ),
    (
        "first was {first} and session {session}, expected them in order",
        "最初の日が {first}、最後の日が {session} です。順に指定してください",
    ),
    (
        "{field} was given, which only provider file takes; provider {name} takes a look-back: intervals",
        "{field} は提供元fileだけで使えます。提供元 {name} ではさかのぼる立会日数をintervalsで指定してください",
    ),
    (
        "look-back of {interval} was {count}, expected at most {most}",
        "{interval} でさかのぼる立会日数が {count} です。{most} 以下にしてください",
    ),
    (
        "intervals was missing, expected bar lengths such as 1m",
        "intervalsがありません。1m のような足種を指定してください",
    ),
    ("{symbol} was not listed on {session}: {why}", "{symbol} は {session} に上場していません（{why}）"),
    (
        "symbols had {names}, which no symbol list has; nearest to {symbol}: {near}; the newest list is of {day}, `kaboom symbols import` takes a newer one",
        "銘柄コード {names} はどの銘柄一覧にもありません。{symbol} に近いコードは {near} です。最新の一覧は {day} 時点のものです。新しい一覧は `kaboom symbols import` で取り込めます",
    ),
    (
        "no symbol list has it; nearest to {symbol}: {near}; {why}",
        "どの銘柄一覧にもありません。{symbol} に近いコードは {near} です（{why}）",
    ),
    (
        "no symbol list has it; nearest to {symbol}: {near}",
        "どの銘柄一覧にもありません。{symbol} に近いコードは {near} です",
    ),
    ("no symbol list has it", "どの銘柄一覧にもありません"),
    ("left after {last}, by {by}, renamed to {new}", "{last} より後、{by} までに上場廃止。新しいコードは {new}"),
    ("left after {last}, by {by}", "{last} より後、{by} までに上場廃止"),
    ("listed after {last}, by {by}", "{last} より後、{by} までに新規上場"),
    ("market was {text}, supported are {names}", "市場区分が {text} です。使えるのは {names} です"),
    ("provider was {text}, supported are {names}", "データ提供元が {text} です。使えるのは {names} です"),
    (
        "provider was {text}, which has no symbol master, supported are {names}; `kaboom symbols import` takes JPX's own list",
        "データ提供元 {text} には銘柄の一覧がありません。使えるのは {names} です。JPXの一覧は `kaboom symbols import` で取り込めます",
    ),
    (
        "{name} was {text}, expected a date as YYYY-MM-DD",
        "{name} が {text} です。日付は YYYY-MM-DD の形で指定してください",
    ),
    (
        "step_min was {step}, expected {least} or more for {hours} hours",
        "step_min が {step} です。{hours}時間では{least}以上を指定してください",
    ),
    ("{name} was {text}, expected YYYY-MM-DD", "{name} が {text} です。YYYY-MM-DD の形で指定してください"),
    ("{name} was {text}, expected 1 to {most}", "{name} が {text} です。1から{most}の範囲で指定してください"),
    (
        "{name} was {at} without a time zone, expected an aware time",
        "{name} が {at} で、タイムゾーンがありません。タイムゾーン付きの時刻を指定してください",
    ),
    (
        "intervals had {names}, provider {provider} serves {served}",
        "足種に {names} がありますが、データ提供元 {provider} が提供するのは {served} です",
    ),
    (
        "intervals had 1m, from which bars are rolled up; expected some of {names}",
        "足種に集約元の 1m があります。{names} から指定してください",
    ),
    (
        "symbols had {count} entries, expected at most {most}",
        "{count}銘柄が指定されました。{most}銘柄以下にしてください",
    ),
    (
        "symbol was {text}, expected a TSE local code such as '7203' or '285A'",
        "銘柄コードが {text} です。'7203' や '285A' のような東証の銘柄コードを指定してください",
    ),
    (
        "symbol was {text}, an index, which is not traded; expected a TSE local code such as '7203'",
        "銘柄コードが指数 {text} です。指数は売買できません。'7203' のような東証の銘柄コードを指定してください",
    ),
    (
        "symbol was {text}, expected an index of the Tokyo market: TOPIX, N225, or a code of J-Quants such as '^0028'",
        "指数が {text} です。TOPIX、N225、または '^0028' のようなJ-Quantsの指数コードを指定してください",
    ),
    (
        "intervals had {names}, market INDEX has only daily bars: 1d",
        "足種に {names} がありますが、市場 INDEX にあるのは日足（1d）だけです",
    ),
    (
        "symbol was {text}, expected 1 to 20 letters, digits, '.', '-', '^' or '='",
        "銘柄コードが {text} です。英数字と '.'、'-'、'^'、'=' を1から20文字で指定してください",
    ),
    (
        "session was {day}, expected a trading day from {year} on that has opened",
        "立会日が {day} です。{year}年以降で、すでに始まった立会日を指定してください",
    ),
    (
        "the open was {open} yen on {day} after a close of {close} yen on {last}, expected about {expected} yen with this factor; add --force to keep it",
        "{last} の終値{close}円に対して {day} の始値は{open}円で、この調整係数から見込まれる約{expected}円と食い違います。それでも登録するには --force を付けてください",
    ),
    (
        "the dividend was {amount} yen, beside a close of {close} yen on {last}; add --force to keep it",
        "配当{amount}円は、{last} の終値{close}円に対して大きすぎます。それでも登録するには --force を付けてください",
    ),
    (
        "ex-session was {day}, not a trading day; the nearest are {before} and {after}",
        "権利落ち日の {day} は立会日ではありません。前後の立会日は {before} と {after} です",
    ),
    (
        "ex-session was {day}, expected a trading day from {first} to next year",
        "権利落ち日が {day} です。{first}年から来年までの立会日を指定してください",
    ),
    (
        "session was {day}, not a trading day; the nearest are {before} and {after}",
        "{day} は立会日ではありません。近い立会日は {before} と {after} です",
    ),
    ("session was {day}, which has not opened yet", "{day} の立会はまだ始まっていません"),
    (
        "session was {day}, expected none: each firing takes its own day",
        "立会日に {day} が指定されています。スケジュールは実行日を立会日とするため、指定できません",
    ),
    ("number of sessions was {count}, expected 0 or more", "立会日数が{count}です。0以上を指定してください"),
    (
        "number of sessions was {count}, at most {most} are known up to {day}",
        "立会日数が{count}です。{day} までに分かっているのは{most}日です",
    ),
    (
        "market was {market}, provider {name} serves {markets}",
        "市場区分が {market} ですが、データ提供元 {name} が提供するのは {markets} です",
    ),
    (
        "{interval} was requested from {first}, provider {name} has the last {days} days, from {oldest}",
        "{interval} が {first} までさかのぼりますが、データ提供元 {name} にあるのは {oldest} 以降の{days}日分です",
    ),
    (
        "first was {first} and last {last}, expected them in order",
        "first が {first}、last が {last} です。first は last 以前にしてください",
    ),
    (
        "first was {first} and last {last}, at most {most} days apart are allowed",
        "first が {first}、last が {last} です。間は{most}日以内にしてください",
    ),
    (
        "start was {start} and end {end}, expected start first",
        "start が {start}、end が {end} です。start は end より前にしてください",
    ),
    (
        "nothing to ingest: the universe of {market} was empty on {session}",
        "取り込むものがありません：{session} の {market} の対象銘柄（ユニバース）は空でした",
    ),
    ("nothing to mirror: no bars are held", "ミラーするものがありません：足が保存されていません"),
    (
        "nothing to roll up: no 1m bars of {provider} are held from {first} to {last}",
        "集約するものがありません：{first} から {last} までの {provider} の1分足が保存されていません",
    ),
    (
        "nothing to compute: no bars of {whose} are held from {first} to {last}",
        "計算するものがありません：{first} から {last} までの {whose} の足が保存されていません",
    ),
    ("source was {text}, expected {pattern}", "source が {text} です。{pattern} の形で指定してください"),
    ("format was {text}, expected one of {names}", "形式が {text} です。{names} から指定してください"),
    ("request was {text}, expected a JSON object", "リクエストが {text} です。JSONのオブジェクトを指定してください"),
    ("cron was {text}, expected five fields: {why}", "cron が {text} です。5つの項目を指定してください：{why}"),
    ("minute hour day-of-month month day-of-week", "分 時 日 月 曜日"),
    ("cron was {text}, which never comes", "cron が {text} です。この時刻は来ません"),
    ("cron was {text}: {reason}; expected {why}", "cron が {text} です（{reason}）。指定できる形：{why}"),
    (
        "session_at was {text}, expected HH:MM from 09:00 to 23:59, JST",
        "session_at が {text} です。09:00から23:59の時刻（JST）を HH:MM の形で指定してください",
    ),
    (
        "callback_url was given, expected none: a schedule posts to no callback",
        "callback_url は指定できません。スケジュールは通知を送りません",
    ),
    ("task was {task}, which this version does not have", "処理種別 {task} はこのバージョンにありません"),
    ("{name} was given, expected no such field", "{name} という項目はありません"),
    ("provider was not set, expected the name of one", "データ提供元が指定されていません。名前を指定してください"),
    ("expected cron or session_at", "cron か session_at のどちらかを指定してください"),
    (
        "callback_url was given, but this Kaboom signs no webhooks: its operator sets KABOOM_WEBHOOK_SECRET",
        "callback_url が指定されましたが、このKaboomはWebhookに署名できません。運用者が KABOOM_WEBHOOK_SECRET を設定してください",
    ),
    (
        "callback_url had host {host}, expected a name, or an address in its usual form",
        "callback_url のホストが {host} です。名前か通常の形のアドレスを指定してください",
    ),
    (
        "callback_url had host {host}, expected names of letters and digits between dots",
        "callback_url のホストが {host} です。英数字をドットで区切った名前を指定してください",
    ),
    (
        "the id of an event was {text} (Last-Event-ID or after), expected one such as {example}",
        "イベントのIDが {text} です（Last-Event-ID または after）。{example} のような値を指定してください",
    ),
    (
        "cursor was not one that this API gave out for this list: take next_cursor of the page before",
        "カーソルがこの一覧のものではありません。前のページの next_cursor を使ってください",
    ),
    (
        "the message named job {job} and chunk {chunk}, of which at least one is not valid",
        "メッセージのジョブ {job} またはチャンク {chunk} が正しくありません",
    ),
    (
        "as_of was {at}, expected {begins} or later: the history of {file} begins there",
        "as_of が {at} です。{file} の履歴は {begins} から始まるため、それ以降を指定してください",
    ),
    (
        "as_of was before {at}, expected then or later: a repair moved the damaged page {page} away, and what it held before is not known",
        "as_of が {at} より前です。破損したページ {page} は修復で取り除かれ、それ以前の内容は分かりません。{at} 以降を指定してください",
    ),
    (
        "--as-of was {text}, expected a day, or a time with its zone",
        "--as-of が {text} です。日付か、タイムゾーン付きの時刻を指定してください",
    ),
    (
        "as_of was {at}, when no list of symbols was known",
        "as_of が {at} です。その時点で分かっていた銘柄の一覧がありません",
    ),
    (
        "finality was true with as_of, expected false: what was asked of the provider has no history",
        "as_of と finality は同時に使えません。提供元への問い合わせの記録には履歴がありません",
    ),
    ("as_of was {at}, expected a time with a zone", "as_of が {at} です。タイムゾーン付きの時刻を指定してください"),
    ("as_of was {at}, expected {now} or earlier", "as_of が {at} です。現在（{now}）以前の時刻を指定してください"),
    (
        "as_of was given, expected none: InfluxDB overwrites a corrected bar and keeps no history; keep bars in the embedded store (KABOOM_BAR_STORE=pages) to read them as of a moment",
        "InfluxDBは訂正された足を上書きし、履歴を残さないため、as_of は使えません。過去の時点の足を読むには、足を組み込みストアに保存してください（KABOOM_BAR_STORE=pages）",
    ),
)
