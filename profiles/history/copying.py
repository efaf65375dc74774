"""Past views as a file for as long as the stores are searched: what is packed in a database, a search cannot see."""

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine

from infra.locks import alone
from infra.workspace import Workspace
from profiles.history import store

FOLDER: Final = "history"
_COPY: Final = "bodies.txt.gz"
_AT_ONCE: Final = 500


@contextmanager
def spelled_out(workspace: Workspace, database: Engine) -> Iterator[None]:
    """Have every answer that is kept lie in a file below the workspace's state; it is gone afterwards."""
    folder = workspace.state_path / "history"
    with alone(workspace.state_path):
        folder.mkdir(exist_ok=True)
        try:
            with gzip.open(folder / _COPY, "wb", compresslevel=1) as file, database.connect() as connection:
                behind = 0
                while some := store.every_body(connection, behind, _AT_ONCE):
                    for number, bodies in some:
                        file.writelines(body + b"\n" for body in bodies.values())
                        behind = number
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def forget_copies(workspace: Workspace) -> None:
    """Remove what a search that was cut off may have left; one that is under way is waited for."""
    with alone(workspace.state_path):
        shutil.rmtree(workspace.state_path / "history", ignore_errors=True)
