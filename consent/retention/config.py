"""`consent/retention.yaml`: how long which rows are kept, from which moment, for which purpose, and why."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from consent.retention.model import Kept, Moment, Period, Rule
from consent.retention.rule import SERVING
from infra.errors import ConfigurationError
from infra.ids import Purpose
from infra.workspace import Workspace

FILE: Final = "consent/retention.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleConfig(_Section):
    """How long rows of a table are kept: all, or those of a source, a type of event, a purpose."""

    table: str
    keep: str = Field(description="whole days or calendar years, such as 730d or 3y")
    counted_from: Moment
    because: str = Field(min_length=3, description="the reason, in words that people are told")
    source: str | None = None
    type: str | None = Field(default=None, description="the type of event")
    purpose: str | None = Field(default=None, description="the purpose whose period this is; without it, all")

    @field_validator("keep")
    @classmethod
    def _is_a_period(cls, value: str) -> str:
        return str(Period.of(value))


class RetentionConfig(_Section):
    """`consent/retention.yaml`; a workspace without it deletes nothing by age."""

    rules: tuple[RuleConfig, ...] = ()


def load_retention(workspace: Workspace) -> tuple[Rule, ...]:
    """Return the rules of a workspace; raise `ConfigurationError` with the line where two speak of the same."""
    if not (workspace.root / FILE).is_file():
        return ()
    config = workspace.load(FILE, RetentionConfig)
    listed: Any = workspace.lines(FILE).get("rules")
    rules = tuple(_rule(one, listed.lc.item(place)[0] + 1) for place, one in enumerate(config.rules))
    before: dict[tuple[Any, ...], Rule] = {}
    for rule in rules:
        if rule.about in before:
            wrong = f"speaks of the same rows as line {before[rule.about].line}"
            raise ConfigurationError(FILE, rule.line, "rules", wrong, "keep one of them, or name a source or purpose")
        before[rule.about] = rule
    return rules


def _rule(one: RuleConfig, line: int) -> Rule:
    return Rule(
        table=one.table,
        keep=Period.of(one.keep),
        counted_from=one.counted_from,
        because=one.because,
        source=one.source,
        type=one.type,
        purpose=None if one.purpose is None else Purpose(one.purpose),
        line=line,
    )


def check_retention(
    rules: Collection[Rule], stores: Collection[Kept], sources: Collection[str], purposes: Mapping[Purpose, Any]
) -> None:
    """Raise `ConfigurationError` with its line for a rule that no store can carry out."""
    known = {one.table: one for one in stores}
    for rule in rules:
        kept = known.get(rule.table)
        if kept is None:
            _wrong(rule, "table", "no table that retention can shorten", f"it knows {', '.join(sorted(known))}")
        elif rule.counted_from not in kept.moments:
            _wrong(
                rule, "counted_from", f"rows of {rule.table} have no such moment", f"use {' or '.join(kept.moments)}"
            )
        elif rule.source is not None and not kept.sources:
            _wrong(rule, "source", f"rows of {rule.table} are of no source", "leave it out")
        elif rule.source is not None and rule.source not in sources:
            _wrong(rule, "source", "not a declared source", f"sources/ declares {', '.join(sources) or 'none'}")
        elif rule.type is not None and not kept.types:
            _wrong(rule, "type", f"rows of {rule.table} have no type", "leave it out; events have types")
        elif rule.purpose is not None and not kept.purposes:
            right = "leave it out: only records are withheld purpose by purpose, with all that happened at them"
            _wrong(rule, "purpose", f"rows of {rule.table} are not told apart by purpose", right)
        elif rule.purpose == SERVING:
            _wrong(rule, "purpose", "it serves the other purposes", "name the purposes themselves")
        elif rule.purpose is not None and rule.purpose not in purposes:
            _wrong(rule, "purpose", "not a purpose of the policy", f"policy.yaml declares {', '.join(purposes)}")


def _wrong(rule: Rule, key: str, wrong: str, right: str) -> None:
    raise ConfigurationError(FILE, rule.line, f"rules.{key}", wrong, right)
