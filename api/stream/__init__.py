"""The process of the stream worker, which keeps served profiles up to date and never loads Spark."""
