"""What a server serves, as a file for as long as the stores are searched: a search reads bytes on disks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.locks import alone
from infra.serving.store import UNDO
from infra.workspace import Workspace
from profiles.serving import FOLDER, serving_store

_COPY: Final = "served.txt"


@contextmanager
def copied(workspace: Workspace) -> Iterator[Path | None]:
    """Have every key and value of every generation lie where an embedded store would, what can be undone too.

    Yield the file, or None where the store is files already. It is gone afterwards. One search at a time lays something
    out: it passes over a file that has gone since it was listed, so one that took another's away would have it say that
    what it never read is clean.
    """
    if not workspace.settings.serving.remote:
        yield None
        return
    copy, store = workspace.serving_path / FOLDER / _COPY, serving_store(workspace)
    with alone(copy.parent):
        try:
            with copy.open("wb") as file:
                for name in store.kept():
                    for prefix in (b"", UNDO):
                        for key, value in store.reader(name).items(prefix):
                            file.write(key + b"\t" + value + b"\n")
            yield copy
        finally:
            copy.unlink(missing_ok=True)
