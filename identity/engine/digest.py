"""What a rebuild must reproduce, as one digest a table: whatever order the rows lie in, however the state came about."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from identity.tables import EDGES, MEMBERSHIP, POSTING_INDEX, PROFILE_ALIAS
from infra import shelf
from infra.tables import Table

# Left out is since when something holds: that is history, and a rebuild has none.
_TOLD: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (POSTING_INDEX, ("rule", "block", "record_key")),
    (
        EDGES,
        (
            "left_key",
            "right_key",
            "weight_micro",
            "conflict_micro",
            "rule_mask",
            "component",
            "reasons",
            "state",
            "why",
        ),
    ),
    (MEMBERSHIP, ("record_key", "profile_id", "component", "known")),
    (PROFILE_ALIAS, ("alias_id", "profile_id")),
)


def state_digests(lake: Path) -> Mapping[str, str]:
    """Return for each table its number of rows and the exclusive or of its rows' MD5."""
    connection = duckdb.connect()
    found = {}
    for table, columns in _TOLD:
        connection.register("rows", shelf.reader(lake, table, columns=columns))
        [(number, mixed)] = connection.execute(
            f"SELECT count(*), coalesce(bit_xor(md5_number_lower(CAST(row({', '.join(columns)}) AS VARCHAR))), 0) FROM rows"
        ).fetchall()
        found[table.name] = f"{number}:{mixed:016x}"
    connection.close()
    return found
