"""`consent/policy.yaml` and `consent/labels.yaml`: read, checked and turned into the policy that decides."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from consent.fideslang import nearest, uses
from consent.model import ACTIONS as ACTIONS  # noqa: PLC0414 - ingestion checks its rows against the words that count
from consent.model import ALL, Basis, Level, Link, MatrixRow, Notice, Policy, PurposeTerms
from consent.notices import NoticeConfig, accepted, notices
from infra.errors import ConfigurationError
from infra.ids import Purpose, content_digest
from infra.workspace import Workspace

POLICY_FILE: Final = "consent/policy.yaml"
LABELS_FILE: Final = "consent/labels.yaml"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
NoticeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
# ISO 3166: a country, a country with its subdivision, a union of countries (EU, EEA), or anywhere.
Place = Annotated[str, StringConstraints(pattern=r"^(\*|EEA|[A-Z]{2}(-[A-Z0-9]{1,3})?)$")]
# Ourselves, a processor or vendor by its number, or any other name that questions and words use.
Recipient = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(:[A-Za-z0-9._-]+)?$", max_length=120)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PurposeConfig(_Section):
    """What data may be wanted for, in words that a person is told."""

    description: str
    fideslang: str | None = Field(default=None, description="key of the fideslang taxonomy, where one exists")
    min_link: Link = Field(default="probable", description="weakest link over which a value may be shown")
    level: Level = Field(default="person", description="contact: a grant counts only for the identifier used")
    channel: Name | None = Field(default=None, description="the channel that is meant where a question names none")
    direct_marketing: bool = Field(default=False, description="an objection to one such purpose covers all")
    gpc: bool = Field(default=False, description="a browser's Global Privacy Control signal refuses it")
    notices: tuple[str, ...] = Field(
        default=(), description="what a grant must have seen, id or id@version; empty: any"
    )


class RowConfig(_Section):
    """One row of the matrix."""

    purpose: str
    basis: Basis
    jurisdiction: Place | tuple[Place, ...] = "*"
    channel: Name | None = None
    recipient: Recipient | None = None
    expires_after_days: int | None = Field(default=None, ge=1)
    min_age: int | None = Field(default=None, ge=1, le=18)


class PolicyConfig(_Section):
    """`consent/policy.yaml`."""

    controller: str = "self"
    purposes: dict[Name, PurposeConfig]
    matrix: tuple[RowConfig, ...]
    notices: dict[NoticeName, tuple[NoticeConfig, ...]] = Field(default={}, description="versions, the oldest first")


class Shortened(_Section):
    """A mask that leaves the first characters of a value: the year of a birth date, the region of a postcode."""

    truncate: int = Field(ge=1, le=20)


Mask = Literal["drop"] | Shortened
Masked = Annotated[
    dict[str, Mask], BeforeValidator(lambda said: dict.fromkeys(said, "drop") if isinstance(said, list) else said)
]


class LabelConfig(_Section):
    """A kind of data: which fields are of it, and for which purposes they are masked, and how."""

    description: str = ""
    fields: tuple[str, ...]
    masked_for: Masked = Field(default={}, description="a list drops; a mapping says how")


class LabelsConfig(_Section):
    """`consent/labels.yaml`."""

    labels: dict[Name, LabelConfig]


def load_policy(workspace: Workspace, *, policy: Path | None = None, labels: Path | None = None) -> Policy:
    """Return the workspace's policy; raise `ConfigurationError` with the line that is wrong.

    Another file of policy or labels may be tried in the place of the workspace's own.
    """
    here, file = _place(workspace, policy, POLICY_FILE)
    there, label_file = _place(workspace, labels, LABELS_FILE)
    config, kinds = here.load(file, PolicyConfig), there.load(label_file, LabelsConfig)
    tree = here.lines(file)
    _check_purposes(config, tree, file)
    _check_labels(kinds, config, there.lines(label_file), label_file)
    told = notices(workspace, file, config.notices, {n: _line(tree["notices"], n) for n in config.notices})
    purposes = {
        Purpose(name): _terms(name, terms, told, file, _line(tree["purposes"], name))
        for name, terms in config.purposes.items()
    }
    rows = tuple(
        row for index, stated in enumerate(config.matrix) for row in _rows(stated, tree["matrix"].lc.item(index)[0] + 1)
    )
    _check_rows(rows, file)
    texts = [[notice.name, dict(notice.sha256)] for notice in told]
    said = [config.model_dump(mode="json"), kinds.model_dump(mode="json"), *([texts] if texts else ())]
    return Policy(
        version=content_digest(said)[:12],
        purposes=purposes,
        rows=rows,
        masks={purpose: masked_fields(kinds, purpose) for purpose in purposes},
        controller=config.controller,
        jurisdiction=workspace.settings.jurisdiction,
        notices=told,
        shortened={purpose: shortened_fields(kinds, purpose) for purpose in purposes},
    )


def _place(workspace: Workspace, tried: Path | None, file: str) -> tuple[Workspace, str]:
    """Return where a file is read: in the workspace, or beside it where another one is tried."""
    if tried is None:
        return workspace, file
    path = tried.resolve()
    return Workspace(path.parent, workspace.settings, workspace.environ), path.name


def known_purposes(policy: Policy) -> tuple[str, ...]:
    """Return the words that a consent row may have as its purpose: those declared, and `all`."""
    return (*policy.purposes, ALL)


def masked_fields(labels: LabelsConfig, purpose: str) -> tuple[str, ...]:
    """Return the fields that a purpose never sees whole, in alphabetical order."""
    return tuple(sorted({f for label in labels.labels.values() if purpose in label.masked_for for f in label.fields}))


def shortened_fields(labels: LabelsConfig, purpose: str) -> dict[str, int]:
    """Return the fields of which a purpose sees so many characters; of two labels the stricter counts."""
    masks = [(name, label.masked_for.get(purpose)) for label in labels.labels.values() for name in label.fields]
    dropped = {name for name, mask in masks if mask == "drop"}
    lengths: dict[str, int] = {}
    for name, mask in masks:
        if isinstance(mask, Shortened) and name not in dropped:
            lengths[name] = min(mask.truncate, lengths.get(name, mask.truncate))
    return dict(sorted(lengths.items()))


def _line(section: Any, name: str) -> int:
    return int(section.lc.key(name)[0]) + 1


def _terms(name: str, config: PurposeConfig, told: tuple[Notice, ...], file: str, line: int) -> PurposeTerms:
    where = f"purposes.{name}.notices"
    seen = accepted(config.notices, told, file=file, line=line, where=where)
    return PurposeTerms(name=Purpose(name), line=line, **{**config.model_dump(), "notices": seen})


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


def _check_purposes(config: PolicyConfig, tree: Any, file: str) -> None:
    known = ", ".join(config.purposes)
    if ALL in config.purposes:
        line = tree["purposes"].lc.key(ALL)[0] + 1
        raise ConfigurationError(
            file, line, "purposes", f"`{ALL}` is the word for every purpose at once", "give it another name"
        )
    for name, terms in config.purposes.items():
        if terms.fideslang is not None and terms.fideslang not in uses():
            line = _line(tree["purposes"], name)
            wrong = f"fideslang has no data use `{terms.fideslang}`"
            where = f"purposes.{name}.fideslang"
            raise ConfigurationError(file, line, where, wrong, nearest(terms.fideslang))
    for index, row in enumerate(config.matrix):
        if row.purpose not in config.purposes:
            line = tree["matrix"].lc.item(index)[0] + 1
            where = f"matrix.{index}.purpose"
            raise ConfigurationError(file, line, where, f"unknown purpose `{row.purpose}`", f"known purposes: {known}")


def _check_rows(rows: tuple[MatrixRow, ...], file: str) -> None:
    seen: dict[tuple[str | None, ...], int] = {}
    for row in rows:
        key = (row.purpose, row.jurisdiction, row.channel, row.recipient)
        if key in seen:
            wrong = f"line {seen[key]} already rules {row.purpose} in {row.jurisdiction}"
            raise ConfigurationError(file, row.line, "matrix", wrong, "keep one row for each case")
        seen[key] = row.line


def _check_labels(labels: LabelsConfig, config: PolicyConfig, tree: Any, file: str) -> None:
    for name, label in labels.labels.items():
        for purpose in label.masked_for:
            if purpose not in config.purposes:
                line = tree["labels"].lc.key(name)[0] + 1
                right = f"known purposes: {', '.join(config.purposes)}"
                where = f"labels.{name}.masked_for"
                raise ConfigurationError(file, line, where, f"unknown purpose `{purpose}`", right)
