"""What a source's columns hold, against what its declaration says of them: expected, undeclared or unexpected."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from time import monotonic
from typing import Final, Literal

from consent.config import LABELS_FILE, LabelsConfig
from consent.discovery.column import Column
from consent.discovery.kinds import FREE_TEXT
from consent.discovery.proposal import Proposal, fields_under, label_of, proposed
from consent.discovery.text import kinds_in
from consent.discovery.vote import Finding, discovered
from infra.workspace import Workspace
from ingestion.config import Source, property_name
from ingestion.sampling import Sample

Standing = Literal["declared", "unexpected", "undeclared"]
_IDENTIFIERS: Final = frozenset({"email", "phone", "cookie", "customer", "account", "loyalty"})
# The kinds of these columns follow from what they are for; a code in a key is no discovery.
_CODES: Final = frozenset({"customer", "account", "loyalty", "device", "cookie"})


@dataclass(frozen=True, slots=True)
class Role:
    """What a declaration makes of a column; `personal` where it says so itself, `field` is its name in the lake."""

    told: str
    field: str
    personal: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A finding beside what is declared of its column."""

    finding: Finding
    standing: Standing
    declared: str
    proposal: Proposal | None


def labelled_fields(workspace: Workspace) -> frozenset[str]:
    """Return the fields that the workspace's labels name."""
    return fields_under(workspace.load(LABELS_FILE, LabelsConfig))


def patience(seconds: float) -> Callable[[], bool]:
    """Return what says whether there is still time."""
    end = monotonic() + seconds
    return lambda: monotonic() < end


def roles(source: Source, labelled: frozenset[str]) -> dict[str, Role]:
    """Return what each declared column is declared as, by the strongest of what it is declared as."""
    found: dict[str, Role] = {}
    for kind, columns in source.identifiers.items():
        for column in columns:
            found.setdefault(column, Role(f"identifier {kind}", kind, personal=True))
    for column, mode in source.free_text.items():
        found.setdefault(column, Role(f"free text, {mode}", property_name(column), personal=True))
    for name, column in source.fields.items():
        found.setdefault(column, Role(f"field {name}", name, personal=name in labelled))
    for column in source.properties:
        name = property_name(column)
        found.setdefault(column, Role(f"property {name}", name, personal=name in labelled))
    for column in source.key:
        found.setdefault(column, Role("key", property_name(column), personal=False))
    for column in source.columns():
        name = property_name(column)
        found.setdefault(column, Role("declared", name, personal=name in labelled))
    return found


def role_of(column: str, known: Mapping[str, Role], labelled: frozenset[str]) -> Role | None:
    """Return the role of a column, that of the object it lies in, or None where nothing is declared of either."""
    name = property_name(column)
    steps = column.split(".")
    for end in range(len(steps), 0, -1):
        above = ".".join(steps[:end])
        if above in known and (end == len(steps) or not known[above].told.startswith("key")):
            role = known[above]
            return role if end == len(steps) else Role(role.told, name, role.personal or name in labelled)
        if f"{above}.*" in known and end < len(steps):  # an object that is taken whole
            return Role(f"property {name}", name, personal=name in labelled)
    return Role("undeclared, under a label", name, personal=True) if name in labelled else None


def found_in(
    source: Source,
    sample: Sample,
    labelled: frozenset[str],
    *,
    region: str,
    today: date,
    only_harmless: bool = False,
    patient: Callable[[], bool] = lambda: True,
) -> Iterator[Found]:
    """Yield what a sample's columns hold, beside what is declared; `only_harmless` passes over the declared ones."""
    known = roles(source, labelled)
    for name, values in sample.columns.items():
        role = role_of(name, known, labelled)
        if only_harmless and role is not None and role.personal:
            continue
        if not patient():
            return
        column = Column.of(name, values)
        reader = partial(kinds_in, region=region)
        for finding in discovered(column, region=region, today=today, reader=reader, patient=patient):
            if role is not None and role.told == "key" and finding.kind in _CODES:
                continue
            yield _judged(finding, role)


def _judged(finding: Finding, role: Role | None) -> Found:
    if role is None:
        return Found(finding, "undeclared", "nothing", proposed(property_name(finding.column), finding))
    if role.personal:
        return Found(finding, "declared", role.told, None)
    return Found(finding, "unexpected", role.told, proposed(role.field, finding))


def source_lines(source: Source, found: Found) -> Iterator[str]:
    """Yield lines for the source's own file that would say what was found."""
    column, kind = found.finding.column, found.finding.kind
    if kind == FREE_TEXT and source.record in ("person", "event"):
        declared = "" if found.declared == "nothing" else "   # in place of its line under fields or properties"
        yield f"free_text: {{{column}: redact}}{declared}"
    elif kind in _IDENTIFIERS and found.declared == "nothing" and source.record != "catalogue":
        yield f"identifiers: {{{kind}: [{column}]}}   # if it says whom the row is about"
    elif found.declared == "nothing" and source.record in ("person", "event") and label_of(kind) in ("name", "birth"):
        yield f"fields: {{{kind}: {column}}}"
