"""What a run's outcome depends on, as one digest: equal digests, equal profiles."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import func, select

import consent.store
from identity.stewardship.store import STEWARD_CONSTRAINT
from infra import shelf
from infra.ids import content_digest
from infra.runtime import Runtime
from infra.tables import Table

# What people and systems told us; everything else follows from these, the settings and the day.
_FACTS = ("records", "events", "catalogue")
_SETTINGS = ("*.yaml", "consent/*.yaml", "audiences/*.yaml", "destinations/*.yaml", "decisions/*.yaml")


def fingerprint(runtime: Runtime, tables: Iterable[Table]) -> str:
    """Return the digest of facts, consents, stewards' words, settings and the day (consents run out by date)."""
    root = runtime.workspace.root
    versions = shelf.newest_versions(runtime.workspace.lake_path)
    with runtime.database.connect() as connection:
        entries = connection.execute(select(func.count()).select_from(consent.store.CONSENT_EVENT)).scalar()
        words = connection.execute(select(func.count()).select_from(STEWARD_CONSTRAINT)).scalar()
    files = sorted(path for pattern in _SETTINGS for path in root.glob(pattern))
    return content_digest(
        {
            "facts": {name: versions.get(name) for name in _FACTS},
            "consents": entries,
            "stewards": words,
            "settings": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
            "tables": [table.ddl() for table in tables],
            "day": runtime.run.started_at.date().isoformat(),
        }
    )
