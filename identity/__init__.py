"""Who is it? Records become persons: normalised once, scored in pairs, clustered under constraints, named for good.

`names`, `dates`, `addresses`, `features`, `cluster`, `ids`, `households`, `stewardship` and `explain` are pure;
`linkage`, `training` and `plain` know splink; `scoring`, `pairing` and the scorecard know DuckDB; `intervals`,
`transforms`, `changes` and `lineage` are Spark plans; `engine` resolves what changed, `jobs` carries it all.
"""
