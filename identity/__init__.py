"""Who is it? Records become persons: normalised once, scored in pairs, clustered under constraints, named for good.

`normalise`, `features`, `cluster`, `ids`, `stewardship` and `explain` are pure; `linkage` alone knows splink,
`scoring` and `evaluate` know DuckDB, `intervals` and `transforms` are Spark plans, `jobs` carries them all.
"""
