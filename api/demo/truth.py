"""The truth, written beside the sources and never among them: what `kindred score` measures against."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import pyarrow as pa

from api.demo.files import write_csv, write_json, write_parquet
from api.demo.model import Person, Row
from api.demo.refusals import refusals
from api.demo.showcase import JUNIOR_MAIL, PLAIN_MAIL, SENIOR_MAIL, SIX_MAIL
from api.demo.sources import PERSON_SOURCES, Stretch
from api.demo.subjects import Subject, filtered
from api.demo.traps import Record, traps
from api.demo.world import World

_ROW_EVENTS = ("web", "helpdesk", "redemptions")


@dataclass(frozen=True)
class Truth:
    """What is true of some stretches of households together."""

    world: World
    rows: dict[str, list[Row]]
    lines: Sequence[pa.Table]
    subjects: Sequence[Subject]
    whose: dict[str, list[str]]


def truth_of(world: World, parts: Sequence[Stretch], subjects: Iterable[Subject], whose: dict[str, list[str]]) -> Truth:
    """Return the truth of all parts together; a subject that several parts name is one."""
    rows: dict[str, list[Row]] = {}
    for part in parts:
        for source, some in part.rows.items():
            rows.setdefault(source, []).extend(some)
    lines = [t for part in parts for t in (part.tills.truth, part.orders.truth)]
    once: dict[tuple[str, str], Subject] = {}
    for subject in subjects:
        held = once.setdefault((subject.source, subject.key), subject)
        if held.person_id != subject.person_id:
            once[subject.source, subject.key] = Subject(held.source, held.key, held.person_id, shared=True)
    return Truth(world, rows, lines, [once[k] for k in sorted(once)], whose)


def write_truth(folder: Path, truth: Truth) -> dict[str, int]:
    """Write every truth file and return how many rows each holds."""
    records = _records(truth)
    by_person: dict[str, list[Record]] = {}
    for source, key, person, _ in records:
        by_person.setdefault(person, []).append((source, key))
    known = [(s.source, s.key, s.person_id, s.shared) for s in truth.subjects]
    bad = [(s, r.key, r.fault) for s, rows in truth.rows.items() for r in rows if r.fault]
    people = [_person(p, by_person) for p in truth.world.people]
    set_traps = traps(truth.world, by_person, truth.rows)
    noes = refusals(truth.rows["consents"], truth.whose)
    visitors = _visitors(truth.rows["web"])
    events = _events(truth)
    _write(folder, "records", ("source", "key", "person_id", "shared"), [*records, *known])
    _write(folder, "people", tuple(_PEOPLE), people)
    _write(folder, "anonymous", ("source", "anonymous_id", "person_ids"), visitors)
    rows = [(t.trap, *t.a, *t.b, t.same) for t in set_traps]
    _write(folder, "traps", ("trap", "source_a", "key_a", "source_b", "key_b", "same"), rows)
    _write(folder, "refusals", ("person_id", "purpose", "channel", "standing"), [astuple(r) for r in noes])
    _write(folder, "faults", ("source", "key", "fault"), bad)
    write_parquet(folder / "events.parquet", events)
    write_json(folder / "showcase.json", _showcase(truth.world, by_person))
    return {
        "records": len(records), "subjects": len(known), "events": events.num_rows, "people": len(people),
        "traps": len(rows), "refusals": len(noes), "anonymous": len(visitors),
    }  # fmt: skip


def _write(folder: Path, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    told = ([str(v).lower() if isinstance(v, bool) else v for v in row] for row in rows)
    write_csv(folder / f"{name}.csv", columns, (dict(zip(columns, row, strict=True)) for row in told))


def _records(truth: Truth) -> list[tuple[str, str, str, bool]]:
    """Return the rows that a contract lets in; the shop's own copies and the garbled ones are no records."""
    return [
        (source, row.key, row.person_id, False)
        for source in PERSON_SOURCES
        for row in truth.rows[source]
        if row.fault is None and not row.copy
    ]


_PEOPLE = (
    "person_id", "household_id", "given_name", "family_name", "former_family_name", "nickname", "suffix", "gender",
    "birth_date", "emails", "mobile", "former_mobile", "landline", "street", "city", "postcode", "tour", "records",
)  # fmt: skip


def _person(p: Person, records: dict[str, list[Record]]) -> list[object]:
    return [
        p.person_id, p.household_id, p.given, p.family, p.former_family, p.nickname, p.suffix, p.gender,
        p.birth_date.isoformat(), " ".join(p.emails), p.mobile, p.former_mobile, p.landline, p.address.street,
        p.address.city, p.address.postcode, p.script, len(records.get(p.person_id, [])),
    ]  # fmt: skip


def _visitors(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    who: dict[str, set[str]] = {}
    for row in rows:
        if row.fault is None and not filtered(row):
            who.setdefault(str(row.values["anonymousId"]), set()).add(row.person_id)
    return [("web", cookie, "|".join(sorted(people))) for cookie, people in sorted(who.items())]


def _events(truth: Truth) -> pa.Table:
    """Return who is behind each event that may be kept."""
    kept = [
        (source, row.key, row.person_id)
        for source in _ROW_EVENTS
        for row in truth.rows[source]
        if row.fault is None and not row.copy and not filtered(row)
    ]
    columns = zip(*kept, strict=True) if kept else ((), (), ())
    names = ("source", "message_id", "person_id")
    small = pa.table({name: pa.array(list(c), pa.string()) for name, c in zip(names, columns, strict=True)})
    return pa.concat_tables([*truth.lines, small])


def _showcase(world: World, records: dict[str, list[Record]]) -> dict[str, object]:
    """Return the people of the tour with what to look them up by, and their records."""
    cast = {p.script: p for p in world.people if p.script}

    def shown(script: str, email: str) -> dict[str, object]:
        if script not in cast:
            return {}
        p = cast[script]
        names = [{"type": "email", "value": e} for e in p.emails]
        names += [{"type": "phone", "value": p.mobile}] if p.mobile else []
        names += [{"type": "loyalty", "value": c} for c in p.traces.cards]
        names += [{"type": "account", "value": a} for a in p.traces.accounts]
        return {
            "person_id": p.person_id,
            "name": f"{p.given} {p.family}",
            "lookup": {"type": "email", "value": email},
            "identifiers": names,
            "records": [{"source": s, "key": k} for s, k in records.get(p.person_id, [])],
        }

    return {
        "six_records": shown("six", SIX_MAIL),
        "three_views": shown("plain", PLAIN_MAIL),
        "wrong_merge": {"a": shown("Sr", SENIOR_MAIL), "b": shown("Jr", JUNIOR_MAIL)},
    }
