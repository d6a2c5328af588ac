"""Shows reports: on a terminal, as one HTML page, as CSV, as Parquet. Reads reports only."""
