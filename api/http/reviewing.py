"""The review queue over HTTP: questions with both records side by side, and answers; every look is audited."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from api.http.credentials import carried
from api.http.errors import AuditBehind, BackendMissing, ScopeRefused
from api.http.explain import evidence_of
from api.http.keys import Credential
from api.http.ports import Json, Stewards
from api.http.reading import graph_of
from api.http.world import World
from identity.explanation import explain
from identity.model import MICRO
from identity.stewardship import review
from identity.stewardship.review import ANSWERS, Answer, Task
from infra.errors import Malformed
from infra.ids import ProfileId

SCOPE = "identity:review"
_PURPOSE = "identity_resolution"
_RECORDS = 40


def stewards_of(world: World, caller: Credential) -> Stewards:
    """Return the desk of stewards; raise `ScopeRefused` for a key that may not sit there."""
    if not caller.may(SCOPE):
        raise ScopeRefused(SCOPE)
    if world.stewards is None:
        raise BackendMissing("a review queue")
    return world.stewards


def told(task: Task) -> dict[str, Any]:
    """Return a question as an answer of the API holds it."""
    facts = {name: value for name, value in asdict(task).items() if name not in {"weight_micro", "urgency"}}
    bits = None if task.weight_micro is None else round(task.weight_micro / MICRO, 3)
    return {**facts, "bits": bits, "because": review.sentence(task.kind, task.reason)}


def question(world: World, caller: Credential, task_id: str) -> dict[str, Any]:
    """Return a question with what each side says, as identity resolution may see it, and the evidence between them."""
    task = stewards_of(world, caller).task(task_id)
    purpose = carried(caller, _PURPOSE)
    if not world.audit.room():
        raise AuditBehind
    graphs: dict[ProfileId, Json | None] = {}
    for profile_id in dict.fromkeys((task.profile_id, task.other_id or task.profile_id)):
        graphs[profile_id] = graph_of(world.profiles, profile_id, purpose)
        seen = "hidden" if graphs[profile_id] is None else "review"
        world.audit.note(caller.key_id, purpose, profile_id, seen)
    shown = [graph for graph in graphs.values() if graph is not None]
    edge = next((e for g in shown for e in g["edges"] if (e["left"], e["right"]) == (task.left, task.right)), None)
    why = None if edge is None else explain.why(evidence_of(edge))
    return {**told(task), "records": _records(task, shown), "evidence": None if why is None else asdict(why)}


def answered(world: World, caller: Credential, task_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a steward's answer and return what it made; raise `Contradiction` where an earlier word forbids it."""
    stewards = stewards_of(world, caller)
    answer: Answer | None = next((a for a in ANSWERS if a == said.get("answer")), None)
    reason = str(said.get("reason") or "").strip()
    if answer is None or not reason:
        raise Malformed(f"an answer needs one of {', '.join(ANSWERS)} and a reason")
    task = stewards.task(task_id)
    until: datetime | None = said.get("until")
    made = stewards.decide(task, answer, actor=f"key:{caller.key_id}", reason=reason, until=until, at=world.clock())
    world.audit.note(caller.key_id, carried(caller, _PURPOSE), task.profile_id, "decided")
    return {"id": task.id, "answer": answer, "constraints": made, "counts": "at the next resolution"}


def _records(task: Task, graphs: list[Json]) -> list[dict[str, Any]]:
    """Return the two records of a pair, or those of a whole profile; one that is not published has no values."""
    found = {record["record_key"]: record for graph in graphs for record in graph["records"]}
    wanted = [key for key in (task.left, task.right) if key] or list(found)[:_RECORDS]
    return [_side(key, found.get(key)) for key in wanted]


def _side(key: str, record: Json | None) -> dict[str, Any]:
    if record is None:
        return {"record_key": key, "published": False, "source": None, "attributes": {}, "identifiers": []}
    identifiers = [{name: value for name, value in one.items() if name != "token"} for one in record["identifiers"]]
    return {
        "record_key": key, "published": True, "source": record["source"], "attributes": dict(record["attributes"]),
        "identifiers": identifiers,
    }  # fmt: skip
