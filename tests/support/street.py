"""A street as ingestion leaves it: a couple, a father and a son, a browser, a kiosk; and a lake to resolve it in."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEMPLATES = Path(__file__).parents[2] / "api" / "templates" / "workspace"


def minute(number: float) -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=number)


def identifier(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value, "token": f"1:{kind}:{value}"}


def record(key: str, at: int, *names: dict[str, str], source: str = "crm", **attributes: str) -> dict[str, Any]:
    return {
        "record_key": key, "source": source, "key": f"{source}-{key}", "kind": "person", "known": True,
        "attributes": attributes, "identifiers": list(names), "observed_at": minute(at), "received_at": minute(at),
        "content_hash": key, "sequence": at, "trust": 0.5, "jurisdiction": "US-OH", "deleted": False, "batch": 1,
    }  # fmt: skip


def event(cookie: str, at: float, record_key: str | None = None, name: str = "Page Viewed") -> dict[str, Any]:
    return {
        "source": "web", "message_id": f"{cookie}-{at}-{record_key}", "type": "track", "name": name,
        "occurred_at": minute(at), "received_at": minute(at), "record_key": record_key, "anonymous_id": cookie,
        "identifiers": [identifier("cookie", cookie)], "properties": {}, "content_hash": "h", "batch": 1,
    }  # fmt: skip


def refusal(token: str, at: int) -> dict[str, Any]:
    return {
        "id": f"{token}-{at}", "sid": token, "token": token, "identifier_kind": "email", "controller": "self",
        "purpose": "identity_resolution", "action": "objected", "mechanism": "centre", "asserted_by": "subject",
        "occurred_at": minute(at), "received_at": minute(at),
    }  # fmt: skip


HOME = {"street": "5 Elm St", "postcode": "43017"}
MAIL = identifier("email", "rob.carver@example.org")
RECORDS = [
    record("bob1", 1, MAIL, given_name="Robert", family_name="Carver", birth_date="1978-07-09", **HOME),
    record("bob2", 2, MAIL, source="shop", full_name="Carver, Bob", street="5 Elm Street"),
    record("ann1", 3, identifier("email", "ann80@example.org"), given_name="Ann", family_name="Carver",
           birth_date="1980-02-03", **HOME),
    record("son1", 4, given_name="Robert", family_name="Carver", birth_date="2003-01-02", **HOME),
    record("login1", 5, identifier("account", "W1"), MAIL, source="web"),
]  # fmt: skip


def workspace(root: Path, engine: str = "") -> Path:
    """Return the folder of a new workspace; `engine` is its section of that name, if any."""
    shutil.copytree(TEMPLATES, root)
    configured(root, engine)
    return root


def configured(root: Path, engine: str) -> None:
    (root / "kindred.yaml").write_text(f"name: test\njurisdiction: US-OH\nseed: 1\nengine: {{{engine}}}\n")


def runtime(
    spark: Any,
    root: Path,
    number: int = 1,
    records: Sequence[dict[str, Any]] = RECORDS,
    events: Sequence[dict[str, Any]] = (),
    words: Sequence[dict[str, Any]] = (),
) -> Any:
    """Return what a job of a run is handed, the lake filled as ingestion would leave it."""
    from deltalake import DeltaTable

    import consent.store
    from consent.intake import remember_mirror
    from consent.tables import CONSENT_EVENT
    from identity.stewardship.store import METADATA
    from infra.database import open_database
    from infra.lake import Lake
    from infra.runtime import RunInfo, Runtime
    from infra.workspace import Workspace
    from ingestion.tables import EVENTS
    from ingestion.tables import RECORDS as RECORD_TABLE

    opened = Workspace.open(root)
    tables = sorted(opened.lake_path.glob("*/_delta_log")) if opened.lake_path.exists() else []
    base = {log.parent.name: DeltaTable(str(log.parent)).version() for log in tables}
    lake = Lake(spark, opened.lake_path, number, base)
    for table, rows in ((RECORD_TABLE, records), (EVENTS, events), (CONSENT_EVENT, words)):
        fill(lake, table, rows)
    database = open_database(opened, METADATA, consent.store.METADATA)
    consent.store.append(database, [heard(word) for word in words], consent.store.secret_sid)
    remember_mirror(database, number, consent.store.last_sequence(database))
    run = RunInfo(f"run-{number}", number, NOW + timedelta(days=number), "salt", base)
    return Runtime(opened, lake, database, run, lambda _: None)


def heard(word: dict[str, Any]) -> Any:
    from consent.model import ConsentEntry
    from consent.store import Said

    told = {name: value for name, value in word.items() if name != "token"}
    return Said(word["token"], ConsentEntry(**told))


def fill(lake: Any, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    lake.ensure([table])
    tuples = [tuple(row.get(column.name, _blank(column)) for column in table.columns()) for row in rows]
    lake.overwrite(table, lake.spark.createDataFrame(tuples, lake.schema(table)))


def _blank(column: Any) -> Any:
    if column.nullable:
        return None
    empty: dict[str, Any] = {"ARRAY": [], "MAP": {}, "BIGINT": 0, "DOUBLE": 0.0, "BOOLEAN": False, "TIMESTAMP": NOW}
    return empty.get(column.sql.partition("<")[0], "")


def everyday() -> list[dict[str, Any]]:
    """A home tablet that Bob uses and signs out of, a browser nobody signs in on, and a kiosk with many logins."""
    day = 24 * 60
    home = [
        event("tablet", 0),
        event("tablet", 1, "login1"),
        event("tablet", 2),
        event("tablet", 3, name="Signed Out"),
        event("tablet", 3 + 60 * day),
        event("old", 0),
        event("old", 90 * day, "login1"),
        event("alone", 5),
    ]
    kiosk = [event("kiosk", i * 60 + 1, f"login{i}") for i in range(1, 9)]
    kiosk += [event("kiosk", 61.5), event("kiosk", 61 + 40)]
    return home + kiosk
