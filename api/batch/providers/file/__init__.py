"""The provider of the user's own CSV and Parquet files."""
