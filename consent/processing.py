"""The record of processing activities (GDPR Article 30(1)), made from what the workspace declares and does.

What is declared is told as it is; nothing here judges whether it is lawful.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from consent.config import LabelsConfig
from consent.model import MatrixRow, Policy
from consent.retention.model import Rule
from consent.retention.rule import told
from infra.ids import Purpose
from infra.workspace import Workspace

CONTROLLER_FILE: Final = "consent/controller.yaml"
_BASES: Final[Mapping[str, str]] = {
    "consent": "consent (GDPR 6(1)(a))",
    "opt_out": "until refused (opt-out)",
    "legitimate_interest": "legitimate interest (GDPR 6(1)(f))",
    "contract": "contract (GDPR 6(1)(b))",
    "legal_obligation": "legal obligation (GDPR 6(1)(c))",
    "vital_interest": "vital interest (GDPR 6(1)(d))",
    "public_task": "public task (GDPR 6(1)(e))",
}
UNTOLD: Final = "not declared"
OTHER: Final = "other fields"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Transfer(_Section):
    """Data that go to a country outside the Union, and under which safeguard."""

    recipient: str
    to: str = Field(description="country or organisation")
    safeguard: str = Field(description="for example standard contractual clauses, adequacy decision")


class Controller(_Section):
    """`consent/controller.yaml`: what only the controller can say."""

    name: str
    address: str = UNTOLD
    contact: str = UNTOLD
    representative: str | None = None
    data_protection_officer: str = UNTOLD
    subjects: tuple[str, ...] = Field(default=("customers",), description="categories of people")
    recipients: dict[str, str] = Field(
        default_factory=dict, description="names of destinations and processors in words"
    )
    transfers: tuple[Transfer, ...] = ()
    retention: dict[str, str] = Field(default_factory=dict, description="by purpose, in words: for how long, and why")
    security: tuple[str, ...] = Field(default=(), description="measures beyond those of Kindred itself")


@dataclass(frozen=True, slots=True)
class Feed:
    """A source of personal data: its name, and the fields and identifiers that it brings."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outlet:
    """A destination that data of a purpose go to."""

    name: str
    purpose: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """One purpose as Article 30 wants it told."""

    purpose: Purpose
    description: str
    fideslang: str | None
    bases: tuple[str, ...]
    subjects: tuple[str, ...]
    categories: tuple[str, ...]
    withheld: tuple[str, ...]
    sources: tuple[str, ...]
    recipients: tuple[str, ...]
    transfers: tuple[str, ...]
    retention: str


@dataclass(frozen=True, slots=True)
class Processing:
    """The record: who answers, what for, and how it is protected."""

    controller: Controller
    policy_version: str
    activities: tuple[Activity, ...]
    security: tuple[str, ...]


# Each is what the code does in every workspace.
MEASURES: Final = (
    "The consent policy decides every use: at matching, building, activation and each read, which names a purpose.",
    "Ledger, logs, metrics and keys of streams hold keyed tokens (HMAC-SHA-256) in place of identifiers.",
    "Tables keep no statistics, partitions or checksums of personal columns; a linter reads their logs.",
    "API keys are kept as digests and carry the least scopes and purposes; each read of a person is audited.",
    "Servers listen on the machine itself unless told otherwise; secrets come from the environment alone.",
)


def load_controller(workspace: Workspace) -> Controller:
    """Return what the controller says of themselves; without the file, the workspace's name and nothing else."""
    if not (workspace.root / CONTROLLER_FILE).is_file():
        return Controller(name=workspace.settings.name)
    return workspace.load(CONTROLLER_FILE, Controller)


def record_of_processing(
    controller: Controller,
    policy: Policy,
    labels: LabelsConfig,
    feeds: Sequence[Feed],
    outlets: Sequence[Outlet],
    rules: Sequence[Rule] = (),
) -> Processing:
    """Return the record of everything that the policy lets be done; purposes without a row are told as unused.

    How long data are kept is told by the rules that are carried out, and only without any in the controller's words.
    """
    activities = (_activity(purpose, controller, policy, labels, feeds, outlets, rules) for purpose in policy.purposes)
    return Processing(controller, policy.version, tuple(activities), (*MEASURES, *controller.security))


def _activity(
    purpose: Purpose,
    controller: Controller,
    policy: Policy,
    labels: LabelsConfig,
    feeds: Sequence[Feed],
    outlets: Sequence[Outlet],
    rules: Sequence[Rule],
) -> Activity:
    terms, rows = policy.purposes[purpose], [row for row in policy.rows if row.purpose == purpose]
    held = {name for feed in feeds for name in feed.fields}
    masked = set(policy.masks.get(purpose, ()))
    going = [outlet.name for outlet in outlets if outlet.purpose == purpose]
    recipients = dict.fromkeys([*(row.recipient for row in rows if row.recipient), *going])
    return Activity(
        purpose=purpose,
        description=terms.description,
        fideslang=terms.fideslang,
        bases=tuple(_basis(row, policy) for row in rows) or ("none: the policy allows no use",),
        subjects=controller.subjects,
        categories=tuple(_categories(labels, held - masked)),
        withheld=tuple(_categories(labels, held & masked)),
        sources=tuple(feed.name for feed in feeds if set(feed.fields) - masked),
        recipients=tuple(controller.recipients.get(one, one) for one in recipients),
        transfers=tuple(
            f"{one.recipient} in {one.to}: {one.safeguard}"
            for one in controller.transfers
            if one.recipient in recipients
        ),
        retention=_carried_out(rules, purpose) or controller.retention.get(purpose) or _kept(rows),
    )


def _basis(row: MatrixRow, policy: Policy) -> str:
    where = "everywhere" if row.jurisdiction == "*" else row.jurisdiction
    limits = [f"by {row.channel}" if row.channel else "", f"for {row.recipient}" if row.recipient else ""]
    limits += [f"from {row.min_age} years" if row.min_age else ""]
    told = ", ".join(part for part in (where, *limits) if part)
    return f"{_BASES[row.basis]}: {told} ({policy.place(row.line)})"


def _categories(labels: LabelsConfig, fields: set[str]) -> Iterator[str]:
    told: set[str] = set()
    for name, label in labels.labels.items():
        here = sorted(fields.intersection(label.fields))
        told.update(here)
        if here:
            yield f"{label.description or name}: {', '.join(here)}"
    if rest := sorted(fields - told):
        yield f"{OTHER}: {', '.join(rest)}"


def _carried_out(rules: Sequence[Rule], purpose: Purpose) -> str:
    tables = dict.fromkeys(rule.table for rule in rules)
    found = ((table, told(rules, table, purpose)) for table in tables)
    return "; ".join(f"{table} {words}" for table, words in found if words)


def _kept(rows: Iterable[MatrixRow]) -> str:
    days = sorted({row.expires_after_days for row in rows if row.expires_after_days is not None})
    if not days:
        return "until erased, restricted or objected to; no period is declared"
    return f"until the yes runs out ({' or '.join(map(str, days))} days), is withdrawn, or the person is erased"


def markdown(record: Processing) -> str:
    """Return the record as a page that can be handed over."""
    who = record.controller
    lines = [f"# Record of processing activities: {who.name}", ""]
    lines += [f"- Controller: {who.name}, {who.address}", f"- Contact: {who.contact}"]
    lines += [f"- Representative: {who.representative}"] if who.representative else []
    lines += [f"- Data protection officer: {who.data_protection_officer}", f"- Policy: {record.policy_version}", ""]
    for one in record.activities:
        lines += [f"## {one.purpose}", "", f"{one.description}.", ""]
        lines += _listed("Data use (fideslang)", [one.fideslang] if one.fideslang else [])
        lines += _listed("Legal basis", one.bases)
        lines += _listed("People", one.subjects)
        lines += _listed("Data", one.categories) or ["- Data: none"]
        lines += _listed("Not used for this", one.withheld)
        lines += _listed("Sources", one.sources)
        lines += _listed("Recipients", one.recipients) or ["- Recipients: nobody outside"]
        lines += _listed("Transfers to third countries", one.transfers) or [
            "- Transfers to third countries: none declared"
        ]
        lines += [f"- Kept: {one.retention}", ""]
    lines += ["## Security", "", *(f"- {one}" for one in record.security), ""]
    return "\n".join(lines)


def _listed(name: str, values: Sequence[str]) -> list[str]:
    if len(values) <= 1:
        return [f"- {name}: {value}" for value in values]
    return [f"- {name}:", *(f"  - {value}" for value in values)]
