"""A fix as people write it, in YAML or as options of a command, checked on the way in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from infra.ids import content_digest
from ingestion.config import Columns
from ingestion.connectors.declared import Section
from ingestion.contract import Word
from ingestion.quarantine.patch import (
    CastMoment,
    CastNumber,
    Change,
    Condition,
    Drop,
    Fix,
    Put,
    Rename,
    Replace,
    Step,
    Translate,
    Where,
)

# Options of a command come without an order between them: they are taken in this one.
KINDS: Final = ("drop", "rename", "map", "replace", "cast", "set")
_DIGITS: Final = 12


class Matches(Section):
    """A condition's pattern, for the whole value."""

    matches: str


class Replacement(BaseModel):
    """What is looked for in a value, and the text that is put for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    pattern: str = Field(min_length=1)
    text: Word = Field(alias="with")


def _listed(value: Any) -> Any:
    """Return what a condition allows as a list; nothing is the empty text."""
    if isinstance(value, Mapping):
        return value
    return ["" if one is None else one for one in (value if isinstance(value, list | tuple) else [value])]


Values = Annotated[tuple[Word, ...], BeforeValidator(_listed), Field(min_length=1)]
When = dict[str, Matches | Values]


class StepRules(Section):
    """One change of one kind, to one field or several."""

    drop: Columns = ()
    rename: dict[str, str] = Field(default_factory=dict)
    map: dict[str, dict[str, Word | None]] = Field(default_factory=dict)
    replace: dict[str, Replacement] = Field(default_factory=dict)
    cast: dict[str, str] = Field(default_factory=dict)
    set: dict[str, Word | None] = Field(default_factory=dict)
    when: When = Field(default_factory=dict)

    @field_validator("drop", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(bool(getattr(self, kind)) for kind in KINDS) != 1:
            raise ValueError(f"a step does one thing: {', '.join(KINDS)}; give each its own `- `")
        tuple(self.changes())  # what is wrong with a rule is told here
        return self

    def changes(self) -> Iterator[Change]:
        """Yield the changes, one for each field, in the order of the fields' names."""
        for field in sorted(self.drop):
            yield Drop(field)
        for field, to in sorted(self.rename.items()):
            yield Rename(field, to)
        for field, pairs in sorted(self.map.items()):
            yield Translate(field, tuple(sorted(pairs.items(), key=lambda pair: pair[0])))
        for field, found in sorted(self.replace.items()):
            yield Replace(field, found.pattern, found.text)
        for field, spec in sorted(self.cast.items()):
            yield _cast(field, spec)
        for field, value in sorted(self.set.items()):
            yield Put(field, value)

    def steps(self) -> Iterator[Step]:
        """Yield the step as its changes under their condition."""
        for change in self.changes():
            yield Step(change, _conditions(self.when))


def _cast(field: str, spec: str) -> Change:
    kind, _, form = spec.partition(":")
    makers: Mapping[str, Callable[[], Change]] = {
        "number": lambda: CastNumber(field, form[:1], form[1:]),
        "date": lambda: CastMoment(field, form, day=True),
        "timestamp": lambda: CastMoment(field, form, day=False),
    }
    if kind not in makers:
        raise ValueError("write what is to be read how: number:, or date:%d.%m.%Y or timestamp:%d.%m.%Y %H:%M")
    return makers[kind]()


def _conditions(when: When) -> tuple[Condition, ...]:
    found = []
    for field, wanted in sorted(when.items(), key=lambda pair: pair[0]):
        if isinstance(wanted, Matches):
            found.append(Condition(field, pattern=wanted.matches))
        else:
            found.append(Condition(field, wanted))
    return tuple(found)


class FixRules(Section):
    """A whole fix: which rejected rows of one source, and what is done to them."""

    source: str
    rule: str | None = None
    field: str | None = None
    when: When = Field(default_factory=dict)
    steps: tuple[StepRules, ...] = ()

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _conditions(self.when)
        return self

    def canonical(self) -> dict[str, Any]:
        """Return the rules in the one spelling that they are kept in and their digest is taken of."""
        return self.model_dump(mode="json", exclude_defaults=True, by_alias=True)

    def fix(self) -> Fix:
        """Return the fix under the digest of its rules."""
        return Fix(
            id=content_digest(self.canonical())[:_DIGITS],
            where=Where(self.source, self.rule, self.field, _conditions(self.when)),
            steps=tuple(step for rules in self.steps for step in rules.steps()),
        )


def from_options(where: Mapping[str, Any], options: Mapping[str, Sequence[str]]) -> FixRules:
    """Return a fix told by a command's options, such as `drop` → `("fax",)`; raise ValueError where one is not so."""
    steps = [{kind: _option(kind, text)} for kind in KINDS for text in options.get(kind, ())]
    return FixRules.model_validate({**where, "steps": steps})


def _option(kind: str, text: str) -> Any:
    if kind == "drop":
        return text
    if kind in ("rename", "set", "cast"):
        field, value = parted(text, "=", f"--{kind} FIELD=…")
        return {field: value if value or kind != "set" else None}
    field, rest = parted(text, ":", f"--{kind} FIELD:OLD=NEW")
    if kind == "map":
        said, meant = parted(rest, "=", "--map FIELD:OLD=NEW")
        return {field: {said: meant or None}}
    pattern, put = parted(rest, "=>", "--replace FIELD:PATTERN=>TEXT")
    return {field: {"pattern": pattern, "with": put}}


def parted(text: str, sign: str, right: str) -> tuple[str, str]:
    """Return what stands before and after a sign; raise ValueError where it is not there."""
    before, found, after = text.partition(sign)
    if not found or not before:
        raise ValueError(f"write it as {right}")
    return before, after
