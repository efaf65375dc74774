"""Where a source's rows come from: one file for each kind of place."""
