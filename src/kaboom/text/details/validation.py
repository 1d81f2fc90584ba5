"""What pydantic says of a field, and what it says of several. English as raised, and Japanese."""

from kaboom.text.language import Pair

VALIDATION_DETAILS: tuple[Pair, ...] = (
    (
        "{option} was {text}, expected LENGTH=NUMBER such as {example}",
        "{option} が {text} です。{example} のように「足種=数」の形で指定してください",
    ),
    ("#/{pointer}: {why}", "#/{pointer}：{why}"),
    ("#: {why}", "#：{why}"),
    ("Field required", "必須です"),
    ("Extra inputs are not permitted", "使えない項目です"),
    ("Unexpected keyword argument", "使えない項目です"),
    ("Input should be a valid string", "文字列を指定してください"),
    ("Input should be a valid integer", "整数を指定してください"),
    ("Input should be a valid integer, unable to parse string as an integer", "整数を指定してください"),
    ("Input should be a valid integer, got a number with a fractional part", "整数を指定してください"),
    ("Input should be a valid number", "数値を指定してください"),
    ("Input should be a valid number, unable to parse string as a number", "数値を指定してください"),
    ("Input should be a finite number", "有限の数値を指定してください"),
    ("Input should be a valid boolean", "true か false を指定してください"),
    ("Input should be a valid boolean, unable to interpret input", "true か false を指定してください"),
    ("Input should be a valid list", "配列を指定してください"),
    ("Input should be a valid dictionary", "オブジェクトを指定してください"),
    (
        "Input should be a valid dictionary or object to extract fields from",
        "オブジェクトを指定してください",
    ),
    ("Input should be a valid dictionary or instance of {name}", "オブジェクトを指定してください"),
    ("Input should be greater than or equal to {least}", "{least}以上を指定してください"),
    ("Input should be greater than {least}", "{least}より大きい値を指定してください"),
    ("Input should be less than or equal to {most}", "{most}以下を指定してください"),
    ("Input should be less than {most}", "{most}より小さい値を指定してください"),
    ("Input should be {names}", "{names} のどれかを指定してください"),
    ("String should have at least {least} character", "{least}文字以上で指定してください"),
    ("String should have at least {least} characters", "{least}文字以上で指定してください"),
    ("String should have at most {most} character", "{most}文字以内で指定してください"),
    ("String should have at most {most} characters", "{most}文字以内で指定してください"),
    ("String should match pattern {pattern}", "{pattern} の形で指定してください"),
    *(
        pair
        for what in ("List", "Dictionary", "Tuple")
        for items in ("item", "items")
        for pair in (
            (
                f"{what} should have at least {{least}} {items} after validation, not {{count}}",
                "{least}件以上必要ですが、{count}件です",
            ),
            (
                f"{what} should have at most {{most}} {items} after validation, not {{count}}",
                "{most}件以内にしてください。{count}件あります",
            ),
        )
    ),
    ("Input should be a valid date or datetime, {reason}", "日付か時刻を指定してください（{reason}）"),
    ("Input should be a valid datetime, {reason}", "時刻を指定してください（{reason}）"),
    ("Input should be a valid datetime or date, {reason}", "日付か時刻を指定してください（{reason}）"),
    ("Input should have timezone info", "タイムゾーン付きの時刻を指定してください"),
    ("JSON decode error", "JSONとして解析できません"),
    (
        "expected a time with its zone, such as {example}",
        "{example} のようなタイムゾーン付きの時刻を指定してください",
    ),
    (
        "was {text}, expected a date as YYYY-MM-DD",
        "{text} が指定されました。日付は YYYY-MM-DD の形で指定してください",
    ),
    ("was {text}, expected one of {names}", "{text} は使えません。{names} から指定してください"),
    (
        "was {days}, expected 0, which keeps jobs forever, or at least {least}",
        "{days} が指定されました。無期限に保持する0か、{least}以上を指定してください",
    ),
    ("had {count} entries, expected at most {most}", "{count}件あります。{most}件以下にしてください"),
    ("had {count} entries, expected 1 to {most}", "{count}件あります。1件から{most}件にしてください"),
    (
        "expected a time zone, such as {example}, or a day alone",
        "{example} のようにタイムゾーンを付けるか、日付だけを指定してください",
    ),
    ("expected a year from {first} to {last}", "{first}年から{last}年までの年を指定してください"),
    ("expected a day as YYYY-MM-DD", "日付を YYYY-MM-DD の形で指定してください"),
    ("expected seconds since 1970", "1970年からの秒数を指定してください"),
    ("expected a short text of ASCII letters", "半角英数字の短い文字列を指定してください"),
    ("expected a list of texts such as {example}", "{example} のような文字列の配列を指定してください"),
    ("expected either cron or session_at, and not both", "cron と session_at のどちらか一方を指定してください"),
    ("expected cron or session_at, and not both", "cron と session_at のどちらか一方を指定してください"),
    ("steps: expected values that ascend", "steps：値は昇順にしてください"),
    (
        "steps: expected no rate, fixed, least or most beside them",
        "steps：rate、fixed、least、most とは併用できません",
    ),
    ("most was {most}, expected at least {least}", "most が {most} です。least（{least}）以上にしてください"),
    ("fast was {fast}, expected less than slow, {slow}", "fast が {fast} です。slow（{slow}）より小さくしてください"),
    ("the request is not valid", "リクエストが正しくありません"),
    ("{option} was {text}, expected one of {names}", "{option} が {text} です。{names} から指定してください"),
    ("{option} was {text}, expected JSON: {reason}", "{option} が {text} です。JSONを指定してください：{reason}"),
    ("{option} was {text}, expected a JSON object", "{option} が {text} です。JSONのオブジェクトを指定してください"),
)
