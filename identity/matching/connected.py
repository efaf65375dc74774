"""Who hangs together with whom: connected components of any shape, in a number of rounds that no chain drives up."""

from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Numbers = npt.NDArray[np.int64]


def components(connection: duckdb.DuckDBPyConnection, nodes: str, edges: str, into: str) -> None:
    """Fill the table `into` (record_key, component) with the connected components; each is named by its smallest key.

    Records are numbers here, in the order of their keys. Splink's own takes a round for every step of the longest way
    through a component: a chain of four thousand records took it more than a minute, one twice as long four times that.
    """
    connection.execute(
        "CREATE OR REPLACE TABLE numbered_node AS "
        f"SELECT record_key, row_number() OVER (ORDER BY record_key) - 1 AS number FROM (SELECT DISTINCT record_key FROM {nodes})"
    )
    found: dict[str, Any] = connection.execute(
        f"SELECT l.number AS a, r.number AS b FROM {edges} e JOIN numbered_node l ON l.record_key = e.left_key "
        "JOIN numbered_node r ON r.record_key = e.right_key"
    ).fetchnumpy()
    [(number,)] = connection.execute("SELECT count(*) FROM numbered_node").fetchall()
    first = smallest(int(number), found["a"].astype(np.int64), found["b"].astype(np.int64))
    connection.register("smallest", pa.table({"number": np.arange(number), "first": first}))
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT n.record_key AS record_key, f.record_key AS component FROM numbered_node n "
        "JOIN smallest s ON s.number = n.number JOIN numbered_node f ON f.number = s.first"
    )
    connection.unregister("smallest")
    connection.execute("DROP TABLE numbered_node")


def smallest(number: int, left: _Numbers, right: _Numbers) -> _Numbers:
    """Return for each of so many nodes the smallest node that edges connect it with, over any number of steps."""
    parent = np.arange(number, dtype=np.int64)
    while len(left):
        # whoever has a smaller neighbour hangs under the smallest, and all under the end of their way
        low, high = np.minimum(left, right), np.maximum(left, right)
        np.minimum.at(parent, high, low)
        while not np.array_equal(further := parent[parent], parent):
            parent = further
        left, right = parent[left], parent[right]
        apart = left != right
        left, right = left[apart], right[apart]
    return parent
