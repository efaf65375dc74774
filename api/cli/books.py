"""Erasure from what the house writes of itself: audit, runs, logs, work files; and from the database's bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, select, update

from api.http.store import API_KEY, LINKS_CLOSED, READ_AUDIT, READ_SEAL, WRITE_KEY
from consent.erasure.ports import Places, Plan, Subject
from consent.residue.model import Place
from infra.database import scrub, writing
from infra.jars import session_jars
from infra.runs import MESSAGE, RUN, TAKEN_UP
from infra.workspace import Workspace

NOBODY: Final = "-"
LINTED: Final = "linted.json"  # which files of the lake's log the linter has read
LOGS: Final = ("runner.log", "server.log", "jobs.ndjson")
_WITHOUT: Final[Mapping[str, str]] = {
    API_KEY.name: "programs' credentials, digested",
    WRITE_KEY.name: "programs' credentials, digested",
    LINKS_CLOSED.name: "keyed marks that no other table knows, and moments",
    RUN.name: "jobs, versions of tables and numbers",
    MESSAGE.name: "what runs say, without anybody's data",
    TAKEN_UP.name: "when runners took runs up",
}
_ROWS: Final = 1_000
_SCRATCH: Final = ("shuffle_", "temp_shuffle_", "temp_local_", "rdd_")


class Books:
    """`Erasable` by the audit, the logs, the work files, and every page of the database."""

    name = "books"

    def __init__(self, workspace: Workspace, database: Engine) -> None:
        self._workspace, self._database = workspace, database

    def places(self) -> Places:
        """Return the database as bytes, logs and work files."""
        state, file = self._workspace.state_path, self._workspace.database_path
        logs = tuple(Place(store=f"logs.{name}", kind="logs", root=state / name) for name in LOGS)
        # its log beside it is searched with it
        database = Place(store="database", kind="sqlite", root=file, allowed=frozenset({"token"}))
        jars = session_jars()  # Spark lays copies of them beside what it shuffles
        return Places(
            database=(READ_AUDIT.name, READ_SEAL.name, *_WITHOUT),
            state=("work", LINTED, *LOGS),
            without=_WITHOUT,
            scanned=(database, *logs, Place(store="work", kind="state", root=state / "work", programs=jars)),
        )

    def plan(self, subject: Subject) -> Plan:
        """Return how many rows of the audit name the person."""
        return Plan(store=self.name, rows={READ_AUDIT.name: len(self._naming(subject))})

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Put nobody in the person's place where somebody read them; the row's seal loses its salt alone."""
        ids, rows = frozenset(subject.ids), self._naming(subject)
        with writing(self._database) as connection:
            for number, told in rows:
                kept = " ".join(NOBODY if one in ids else one for one in told.split())
                connection.execute(update(READ_AUDIT).where(READ_AUDIT.c.id == number).values(profile_ids=kept))
                connection.execute(update(READ_SEAL).where(READ_SEAL.c.id == number).values(salt=None))
        return {"reads": len(rows)}

    def purge(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Write the database anew without free pages and without its log."""
        scrub(self._database)

    def expire(self, subject: Subject) -> None:
        """Do nothing: what is written anew keeps nothing older."""

    def _naming(self, subject: Subject) -> list[tuple[int, str]]:
        ids = frozenset(subject.ids)
        with self._database.connect() as connection:
            query = select(READ_AUDIT.c.id, READ_AUDIT.c.profile_ids)
            rows = connection.execution_options(yield_per=_ROWS).execute(query)
            return [(row.id, row.profile_ids) for row in rows if not ids.isdisjoint(row.profile_ids.split())]


def drop_scratch(work: Path) -> None:
    """Delete the rows that Spark shuffled for plans that are done: it keeps them for others, while its session lives.

    No plan may be under way. One that would have read them again works them out anew.
    """
    for path in work.rglob("*"):
        if path.name.startswith(_SCRATCH) and path.is_file():
            path.unlink(missing_ok=True)
