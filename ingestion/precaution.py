"""What a run does about personal data that nobody declared: an alarm by a sample unless the source asks for more."""

from collections.abc import Sequence
from typing import Final

from infra.runtime import Runtime
from ingestion.config import Source
from ingestion.discover import Found, found_in, labelled_fields, patience, roles
from ingestion.model import SAMPLED, Note
from ingestion.sampling import Sample, thinned
from ingestion.watch import RULE, Watch, targets_of

# Enough rows to see what a column is; few enough that a load of small files does not notice.
_ROWS: Final = 200
_SECONDS: Final = 20.0


def found_by(runtime: Runtime, source: Source, sample: Sample, region: str) -> tuple[Found, ...]:
    """Return which columns of a sample are personal though nothing says so; consents are about people anyway."""
    if source.record == "consent":
        return ()
    few, fields, patient = thinned(sample, _ROWS), labelled_fields(runtime.workspace), patience(_SECONDS)
    today = runtime.run.started_at.date()
    seen = found_in(source, few, fields, region=region, today=today, only_harmless=True, patient=patient)
    return tuple(one for one in seen if one.standing != "declared")


def alarms(source: Source, found: Sequence[Found]) -> tuple[Note, ...]:
    """Return a note for each column that a sample shows to be personal though nothing declares it so.

    A source that says `on_personal_data` has every row looked at instead.
    """
    if source.on_personal_data is not None:
        return ()
    return tuple(
        Note(source.source, f"field {one.finding.column}", f"{RULE} {one.finding.kind} {SAMPLED}", one.finding.hits)
        for one in found
    )


def watch(runtime: Runtime, source: Source, found: Sequence[Found], region: str) -> Watch | None:
    """Return what watches a source's rows, or None where the source does not ask for it."""
    if source.on_personal_data is None:
        return None
    fields = labelled_fields(runtime.workspace)
    return Watch(
        mode=source.on_personal_data,
        region=region,
        record=source.record,
        known=roles(source, fields),
        labelled=fields,
        sure={one.finding.column: one.finding.kind for one in found if one.finding.sure and _whole(one)},
        targets=targets_of(source),
        whole=bool(source.expect.reference),
    )


def _whole(found: Found) -> bool:
    """Say whether a column holds the kind throughout, so that each of its values may be taken for it."""
    return found.finding.kind != "free_text" and found.finding.hits * 10 >= found.finding.sampled * 9
