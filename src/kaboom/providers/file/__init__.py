"""The provider of the user's own CSV, Excel and Parquet files."""
