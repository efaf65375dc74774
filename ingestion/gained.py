"""What a run's writes added to ingestion's tables, source by source, counted in the files that they wrote."""

from collections.abc import Mapping
from typing import Final

from consent.tables import CONSENT_INBOX
from infra.lake import Lake
from ingestion.flow import SUBJECTS
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, VERDICTS

Gains = Mapping[str, Mapping[str, int]]
_BY_SOURCE: Final = (CATALOGUE, CONSENT_INBOX, EVENTS, QUARANTINE, VERDICTS)


def gained(lake: Lake, part: str) -> Gains:
    """Return by source and table how many rows a run's writes of a part added; records of subjects stand apart."""
    found: dict[str, dict[str, int]] = {}
    for table in _BY_SOURCE:
        for (source,), rows in lake.gained(table, part, ["source"]).items():
            found.setdefault(source, {})[table.name] = rows
    for (source, kind), rows in lake.gained(RECORDS, part, ["source", "kind"]).items():
        found.setdefault(source, {})[RECORDS.name if kind == "person" else SUBJECTS] = rows
    return found
