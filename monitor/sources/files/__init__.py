"""Files as a source: CSV and Parquet, single, compressed, chained or whole folders."""
