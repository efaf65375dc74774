"""What sharing and agreement are worth: comparisons, the model, and the scorer in DuckDB and in Python."""
