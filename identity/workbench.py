"""A DuckDB for looking: it reads the lake, spills into the workspace where memory ends, and leaves nothing behind."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from identity.matching import scoring
from infra import shelf
from infra.tables import Table
from infra.workspace import Workspace


@contextmanager
def workbench(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a connection; what it spills is people's data, so it lies in the workspace and goes with the connection."""
    workspace.state_path.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="looking-", dir=workspace.state_path) as spill:
        connection = scoring.connect()
        quoted = spill.replace("'", "''")
        connection.execute(f"SET temp_directory = '{quoted}'")
        try:
            yield connection
        finally:
            connection.close()


def load_table(
    connection: duckdb.DuckDBPyConnection,
    lake: Path,
    table: Table,
    into: str,
    columns: Sequence[str] | None = None,
    where: str = "true",
) -> None:
    """Make the table `into` from the rows of a table of the lake that a condition wants."""
    connection.from_arrow(shelf.reader(lake, table, columns=columns)).filter(where).create(into)
