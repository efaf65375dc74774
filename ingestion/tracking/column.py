"""What the tracking plan says of a row, as a column that readers fill beside those that a source names."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from ingestion.config import Source
from ingestion.model import REJECTED
from ingestion.read import Whole
from ingestion.tracking.judge import Judge, Outcome, Violation, pruned

PLAN: Final = "tracking plan"
# What the column holds, as Spark reads it: the fault is as all faults are, `counted` what is told of a rejected row.
OUTCOME: Final = (
    "struct<fault:struct<field:string,rule:string,value_class:string,reason:string,vital:boolean>,"
    "notes:array<string>,flags:array<string>,counted:array<string>>"
)


class PlanColumn(Whole):
    """The column of a plan's outcome; a row leaves it without the values that are dropped."""

    judge: Judge

    @classmethod
    def of(cls, judge: Judge) -> "PlanColumn":
        """Return the column that asks this judge."""
        made = cls(PLAN)
        made.judge = judge
        return made

    def worked(self, tree: Any) -> tuple[Any, str | None]:
        """Return the event without what is dropped, and what there is to tell, None where there is nothing."""
        if not isinstance(tree, Mapping):
            return tree, None
        found = self.judge.outcome(tree)
        if not found.violations:
            return tree, None
        dropped = found.dropped() if found.fault() is None else ()
        return pruned(tree, dropped) if dropped else tree, _told(found, self.judge.plan.tracking_plan)


def read_columns(source: Source) -> tuple[str, ...]:
    """Return the columns that a reader of objects fills: those that a source names, and what its plan says."""
    if source.tracking is None or source.event is None:
        return source.columns()
    return (*source.columns(), PlanColumn.of(Judge(source.tracking, source.event.type, source.event.name)))


def fault_of(outcome: Outcome, plan: str) -> dict[str, Any] | None:
    """Return why an event is rejected in the shape of any row's fault, or None where it is not."""
    fault = outcome.fault()
    if fault is None:
        return None
    reason = f"{fault.field} must be {fault.must} (tracking plan {plan}, {outcome.told})"
    told = {"field": fault.field, "rule": fault.rule, "value_class": fault.value_class}
    return {**told, "reason": reason, "vital": False}


def rejection(told: str | None) -> tuple[str, str, str] | None:
    """Return field, rule and reason of an event that its plan rejects, from the column's value."""
    fault = orjson.loads(told)["fault"] if told else None
    return None if fault is None else (fault["field"], fault["rule"], fault["reason"])


def _told(outcome: Outcome, plan: str) -> str:
    def noted(*actions: str) -> list[str]:
        return list(dict.fromkeys(_note(one, outcome) for one in outcome.violations if one.action in actions))

    made = {
        "fault": fault_of(outcome, plan),
        "notes": noted("drop_field", "accept_and_flag"),
        "flags": noted("accept_and_flag"),
        "counted": [f"{note} {REJECTED}" for note in noted("quarantine")],
    }
    return orjson.dumps(made).decode()


def _note(one: Violation, outcome: Outcome) -> str:
    return f"field {one.item}: {one.rule} in {outcome.told}"
