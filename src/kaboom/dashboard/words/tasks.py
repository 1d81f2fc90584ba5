"""The names of tasks, markets and intervals."""

from kaboom.text.language import Pair

WORDS: dict[str, Pair] = {
    "ingest_run_daily": ("Daily ingest", "日次取り込み"),
    "ingest_backfill": ("Backfill", "欠損の補完"),
    "market_data_refresh_quotes": ("Refresh quotes", "当日の足の更新"),
    "market_data_refresh_symbols": ("Refresh symbols", "銘柄一覧の更新"),
    "market_data_roll_up": ("Roll-up", "足の集約"),
    "market_data_mirror": ("Mirror to Parquet", "Parquetへの書き出し"),
    "market_data_compact": ("Compact", "古い足の整理"),
    "market_data_take_back": ("Take back from quarantine", "隔離の解除"),
    "market_data_indicators": ("Indicators", "指標の計算"),
    "backtest_run": ("Backtest", "バックテスト"),
    "backtest_sweep": ("Parameter sweep", "パラメーター探索"),
    "ai_analysis_analyse": ("Analysis", "分析"),
    "notifications_deliver": ("Notifications", "通知の送信"),
    "TSE_PRIME": ("TSE Prime", "東証プライム"),
    "TSE_STANDARD": ("TSE Standard", "東証スタンダード"),
    "TSE_GROWTH": ("TSE Growth", "東証グロース"),
    "INDEX": ("Index", "指数"),
    "FILE": ("own files", "手元のファイル"),
}
