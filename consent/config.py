"""`consent/policy.yaml` and `consent/labels.yaml`: read, checked and turned into the policy that decides."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from consent.model import ACTIONS as ACTIONS  # noqa: PLC0414 - ingestion checks its rows against the words that count
from consent.model import ALL, Basis, Level, Link, MatrixRow, Policy, PurposeTerms
from infra.errors import ConfigurationError
from infra.ids import Purpose, content_digest
from infra.workspace import Workspace

POLICY_FILE: Final = "consent/policy.yaml"
LABELS_FILE: Final = "consent/labels.yaml"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
# ISO 3166: a country, a country with its subdivision, a union such as EU, or anywhere.
Place = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Z]{2}(-[A-Z0-9]{1,3})?)$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PurposeConfig(_Section):
    """What data may be wanted for, in words that a person is told."""

    description: str
    fideslang: str | None = Field(default=None, description="key of the fideslang taxonomy, where one exists")
    min_link: Link = Field(default="probable", description="weakest link over which a value may be shown")
    level: Level = Field(default="person", description="contact: a grant counts only for the identifier used")
    channel: str | None = Field(default=None, description="the channel that is meant where a question names none")
    direct_marketing: bool = Field(default=False, description="an objection to one such purpose covers all")
    gpc: bool = Field(default=False, description="a browser's Global Privacy Control signal refuses it")
    notices: tuple[str, ...] = Field(default=(), description="id@version that a grant must have seen; empty: any")


class RowConfig(_Section):
    """One row of the matrix."""

    purpose: str
    basis: Basis
    jurisdiction: Place | tuple[Place, ...] = "*"
    channel: str | None = None
    recipient: str | None = None
    expires_after_days: int | None = Field(default=None, ge=1)
    min_age: int | None = Field(default=None, ge=1, le=18)


class PolicyConfig(_Section):
    """`consent/policy.yaml`."""

    controller: str = "self"
    purposes: dict[Name, PurposeConfig]
    matrix: tuple[RowConfig, ...]


class LabelConfig(_Section):
    """A kind of data: which fields are of it, and for which purposes they are masked."""

    description: str = ""
    fields: tuple[str, ...]
    masked_for: tuple[str, ...] = ()


class LabelsConfig(_Section):
    """`consent/labels.yaml`."""

    labels: dict[Name, LabelConfig]


def load_policy(workspace: Workspace) -> Policy:
    """Return the workspace's policy; raise `ConfigurationError` with the line that is wrong."""
    config = workspace.load(POLICY_FILE, PolicyConfig)
    labels = workspace.load(LABELS_FILE, LabelsConfig)
    tree = workspace.lines(POLICY_FILE)
    _check_purposes(config, tree)
    _check_labels(labels, config, workspace.lines(LABELS_FILE))
    purposes = {
        Purpose(name): _terms(name, terms, tree["purposes"].lc.key(name)[0] + 1)
        for name, terms in config.purposes.items()
    }
    rows = tuple(
        row for index, stated in enumerate(config.matrix) for row in _rows(stated, tree["matrix"].lc.item(index)[0] + 1)
    )
    _check_rows(rows)
    version = content_digest([config.model_dump(mode="json"), labels.model_dump(mode="json")])[:12]
    return Policy(
        version=version,
        purposes=purposes,
        rows=rows,
        masks={purpose: masked_fields(labels, purpose) for purpose in purposes},
        controller=config.controller,
        jurisdiction=workspace.settings.jurisdiction,
    )


def known_purposes(policy: Policy) -> tuple[str, ...]:
    """Return the words that a consent row may have as its purpose: those declared, and `all`."""
    return (*policy.purposes, ALL)


def masked_fields(labels: LabelsConfig, purpose: str) -> tuple[str, ...]:
    """Return the fields that a purpose never sees, in alphabetical order."""
    return tuple(sorted({f for label in labels.labels.values() if purpose in label.masked_for for f in label.fields}))


def _terms(name: str, config: PurposeConfig, line: int) -> PurposeTerms:
    return PurposeTerms(name=Purpose(name), line=line, **config.model_dump())


def _rows(config: RowConfig, line: int) -> Iterable[MatrixRow]:
    places = (config.jurisdiction,) if isinstance(config.jurisdiction, str) else config.jurisdiction
    for place in places:
        yield MatrixRow(
            purpose=Purpose(config.purpose),
            basis=config.basis,
            line=line,
            jurisdiction=place,
            channel=config.channel,
            recipient=config.recipient,
            expires_after_days=config.expires_after_days,
            min_age=config.min_age,
        )


def _check_purposes(config: PolicyConfig, tree: Any) -> None:
    known = ", ".join(config.purposes)
    if ALL in config.purposes:
        line = tree["purposes"].lc.key(ALL)[0] + 1
        raise ConfigurationError(
            POLICY_FILE, line, "purposes", f"`{ALL}` is the word for every purpose at once", "give it another name"
        )
    for index, row in enumerate(config.matrix):
        if row.purpose not in config.purposes:
            line = tree["matrix"].lc.item(index)[0] + 1
            where = f"matrix.{index}.purpose"
            raise ConfigurationError(
                POLICY_FILE, line, where, f"unknown purpose `{row.purpose}`", f"known purposes: {known}"
            )


def _check_rows(rows: tuple[MatrixRow, ...]) -> None:
    seen: dict[tuple[str | None, ...], int] = {}
    for row in rows:
        key = (row.purpose, row.jurisdiction, row.channel, row.recipient)
        if key in seen:
            wrong = f"line {seen[key]} already rules {row.purpose} in {row.jurisdiction}"
            raise ConfigurationError(POLICY_FILE, row.line, "matrix", wrong, "keep one row for each case")
        seen[key] = row.line


def _check_labels(labels: LabelsConfig, config: PolicyConfig, tree: Any) -> None:
    for name, label in labels.labels.items():
        for purpose in label.masked_for:
            if purpose not in config.purposes:
                line = tree["labels"].lc.key(name)[0] + 1
                right = f"known purposes: {', '.join(config.purposes)}"
                where = f"labels.{name}.masked_for"
                raise ConfigurationError(LABELS_FILE, line, where, f"unknown purpose `{purpose}`", right)
