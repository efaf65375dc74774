"""The console's pages of the review queue: what waits, and one question with both records side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from api.http import reviewing
from api.http.console import words
from api.http.console.drawing import colours
from api.http.keys import Credential
from api.http.world import World
from identity.stewardship.review import KINDS
from infra.errors import Malformed

_SHOWN = 60
_ORDER = ("given_name", "family_name", "full_name", "birth_date", "gender", "street", "postcode", "city", "country")
_WEIGHED = {"prior": "Before anything is known", "household": "Could be somebody else at home"}


@dataclass(frozen=True, slots=True)
class Line:
    """One field, as each of the records has it; `alike` where all that have it say the same."""

    label: str
    values: tuple[str, ...] = field(repr=False)
    alike: bool


def waiting(world: World, caller: Credential, kind: str | None) -> dict[str, Any]:
    """Return what the list shows: questions of one kind or of all, and how many of each kind there are."""
    stewards, now = reviewing.stewards_of(world, caller), world.clock()
    chosen = kind if kind in KINDS else None
    found = [reviewing.told(task) for task in stewards.waiting(now, kind=chosen, limit=_SHOWN)]
    counts = stewards.counts(now)
    return {"questions": found, "kind": chosen, "kinds": [(name, counts.get(name, 0)) for name in KINDS]}


def sheet(world: World, caller: Credential, task_id: str) -> dict[str, Any]:
    """Return what the page of one question shows."""
    told = reviewing.question(world, caller, task_id)
    records = told["records"]
    palette = colours([record["source"] for record in records if record["source"]])
    heads = [
        (words.label(r["source"]) if r["source"] else "Not published", palette.get(r["source"], -1), r["record_key"])
        for r in records
    ]
    steps = [
        (
            _WEIGHED.get(s["comparison"], words.label(s["comparison"])),
            "" if s["comparison"] in _WEIGHED else s["level"],
            s["bits"],
        )
        for s in (told["evidence"] or {"steps": ()})["steps"]
    ]
    return {"question": told, "heads": heads, "lines": _lines(records), "steps": steps}


def answer(form: Mapping[str, str], zone: tzinfo) -> dict[str, Any]:
    """Return what a form says; a day in it means until the day is over, where the shop is."""
    day = form.get("until", "").strip()
    try:
        until = datetime.combine(datetime.fromisoformat(day).date(), time(), zone) + timedelta(days=1) if day else None
    except ValueError:
        raise Malformed("the day is written as 2027-01-31") from None
    return {"answer": form.get("answer", ""), "reason": form.get("reason", "")[:2000], "until": until}


def _lines(records: list[dict[str, Any]]) -> list[Line]:
    said = [_said(record) for record in records]
    names = {name: None for one in said for name in one}
    ordered = [name for name in _ORDER if name in names] + [name for name in names if name not in _ORDER]
    return [_line(name, tuple(one.get(name, "") for one in said)) for name in ordered]


def _line(name: str, values: tuple[str, ...]) -> Line:
    there = [value.casefold() for value in values if value]
    return Line(words.label(name), values, len(there) > 1 and len(set(there)) == 1)


def _said(record: Mapping[str, Any]) -> dict[str, str]:
    found = {name: str(value) for name, value in record["attributes"].items() if value}
    for one in record["identifiers"]:
        value = str(one.get("value") or one.get("masked") or "")
        found[one["type"]] = f"{found[one['type']]}, {value}" if one["type"] in found else value
    return found
