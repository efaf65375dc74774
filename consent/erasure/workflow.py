"""An erasure from its request to its certificate: each step written down before its act, done once, resumable.

The freeze comes first and nothing takes it back: whatever fails later, no reader sees the person again.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from consent.erasure.book import Book, Request
from consent.erasure.errors import LegallyHeld, NobodyFound, ResidueLeft
from consent.erasure.ports import (
    Certify,
    Closure,
    Erasable,
    Facts,
    Holds,
    Notice,
    Notify,
    Plan,
    Scan,
    Shred,
    Subject,
    folder_of,
)
from consent.erasure.sealed import opened, seal
from consent.residue.model import Hit, Place, PlaceReport, ScanReport
from consent.residue.needles import Needles
from infra.clock import Clock
from infra.ids import Token

# How long the lake keeps files that older versions need (`infra.tables`), with an hour for clocks.
RETENTION: Final = timedelta(days=7, hours=1)
_SHOWN: Final = 5
_LOG: Final = "_delta_log/"
# Ids are drawn by chance and lead nowhere once the rows are gone; data skipping needs them in the log's statistics.
IDS_IN_LOGS: Final = "random ids of records that are gone, as ends of ranges, until the log's eight days are over"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """All that an erasure needs, as the composition root puts it together."""

    book: Book
    stores: tuple[Erasable, ...]
    closure: Closure
    freeze: Callable[[str, Sequence[tuple[int, Token]]], None]
    freeze_subject: Callable[[str, Subject], None]
    holds: Holds
    scan: Scan
    notify: Notify
    shred: Shred
    certify: Certify
    state: Path
    key: bytes = field(repr=False)
    clock: Clock
    say: Callable[[str], None]
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far an erasure has come, and what it waits for where it is not at its end."""

    request_id: str
    status: str
    waits_until: datetime | None = None


def freeze(house: House, request_id: str) -> None:
    """Let nobody see the person from now on; when this returns every reader obeys."""
    request = house.book.get(request_id)
    if house.book.done(request_id, "frozen") is None:
        house.book.begin(request_id, "frozen")
        house.freeze(request_id, request.tokens)
        house.book.finish(request_id, "frozen", "", {"tokens": len(request.tokens)})


def look(house: House, request_id: str) -> tuple[Subject, tuple[Plan, ...]]:
    """Return whom an erasure means and what each store holds of them; nothing is changed."""
    subject = _known(house, request_id) or house.closure([token for _, token in house.book.get(request_id).tokens])
    return subject, tuple(store.plan(subject) for store in house.stores)


def run(house: House, request_id: str) -> Outcome:
    """Bring an erasure as far as it can be brought now; done again after any end, it goes on where it stopped."""
    request = house.book.get(request_id)
    if request.certificate is not None:
        return Outcome(request_id, request.status)
    freeze(house, request_id)
    subject = _planned(house, request)
    _hold(house, request_id, subject)
    for step in ("deleting", "purging"):
        _each(house, request_id, step, subject)
    # Not kept until the end: another erasure of the same person would find them, and rightly call that residue.
    _tidy(folder_of(house.state, request_id))
    due = _due(house, request_id)
    if not house.at_once and house.clock() < due:
        house.say(f"older versions of the lake's files go on {due:%Y-%m-%d %H:%M} UTC; the erasure goes on then")
        return Outcome(request_id, "purging", due)
    _each(house, request_id, "expiring", subject)
    notices = _notified(house, request_id, subject)
    destroyed = _shredded(house, request_id, subject)
    after = _verified(house, request_id, subject)
    return _certified(house, request, subject, (notices, destroyed, after))


def _known(house: House, request_id: str) -> Subject | None:
    return opened(folder_of(house.state, request_id), house.key, request_id)


def _planned(house: House, request: Request) -> Subject:
    """Return whom the erasure means, found once and sealed: when rows are gone the graph cannot tell any more."""
    book, request_id = house.book, request.id
    subject = _known(house, request_id)
    if book.done(request_id, "planned") is not None and subject is not None:
        return subject
    book.begin(request_id, "planned")
    if subject is None:
        subject = house.closure([token for _, token in request.tokens])
        seal(folder_of(house.state, request_id), house.key, request_id, subject)
    house.freeze_subject(request_id, subject)
    if not subject.ids and not subject.values:
        shutil.rmtree(folder_of(house.state, request_id), ignore_errors=True)
        raise NobodyFound
    plans = [store.plan(subject) for store in house.stores]
    before = _searched(house, subject)
    house.say(
        f"planned: {len(subject.record_keys):,} records, {len(subject.profile_ids):,} profile ids, "
        f"{len(subject.tokens):,} identifiers; {len(subject.shared):,} shared ones go to review"
    )
    rows = {plan.store: dict(plan.rows) for plan in plans}
    stays = {f"{plan.store}: {what}": why for plan in plans for what, why in plan.stays.items()}
    stays |= {"lake: the log's statistics": IDS_IN_LOGS}
    book.finish(request_id, "planned", "", {"rows": rows, "stays": stays, "before": asdict(before)})
    return subject


def _hold(house: House, request_id: str, subject: Subject) -> None:
    grounds = house.holds(subject)
    if grounds:
        raise LegallyHeld(request_id, grounds)


def _each(house: House, request_id: str, step: str, subject: Subject) -> None:
    """Take a step in every store, one after the other in the order in which data flow."""
    if house.book.done(request_id, step) is not None:
        return
    house.book.begin(request_id, step)
    for store in house.stores:
        if house.book.done(request_id, step, store.name) is not None:
            continue
        house.book.begin(request_id, step, store.name)
        house.say(f"{step}: {store.name} …")
        act: Callable[[Subject], Any] = {
            "deleting": store.delete,
            "purging": store.purge,
            "expiring": store.expire,
        }[step]
        house.book.finish(request_id, step, store.name, act(subject) or {})
    house.book.finish(request_id, step, "", {})


def _due(house: House, request_id: str) -> datetime:
    """Return the moment from which no version that the lake keeps needs what held the person."""
    purged = [s.at for s in house.book.steps(request_id) if (s.step, s.store, s.status) == ("purging", "", "done")]
    return purged[0] + RETENTION


def _notified(house: House, request_id: str, subject: Subject) -> tuple[Notice, ...]:
    told = house.book.done(request_id, "notifying")
    if told is None:
        house.book.begin(request_id, "notifying")
        notices = tuple(house.notify(subject))
        told = {"notices": [_plain(asdict(notice)) for notice in notices]}
        house.book.finish(request_id, "notifying", "", told)
    moments = ("notified_at", "acknowledged_at")
    return tuple(
        Notice(**one | {name: datetime.fromisoformat(one[name]) for name in moments if one[name]})
        for one in told["notices"]
    )


def _shredded(house: House, request_id: str, subject: Subject) -> int:
    told = house.book.done(request_id, "shredding")
    if told is None:
        house.book.begin(request_id, "shredding")
        told = {"keys": house.shred(subject.sids)}
        house.book.finish(request_id, "shredding", "", told)
    return int(told["keys"])


def _verified(house: House, request_id: str, subject: Subject) -> ScanReport:
    """Search every store; raise `ResidueLeft`, and certify nothing, where anything is found or could not be read."""
    house.book.begin(request_id, "verifying_residue")
    after = _searched(house, subject)
    left = [f"{hit.store}/{hit.file} ({hit.where}, {hit.spelling})" for place in after.places for hit in place.hits]
    left += [f"{place.store}/{name} was not read" for place in after.places for name in place.unscanned]
    left += [f"{place.store}: the search is blind" for place in after.places if not place.canary_found]
    if left:
        more = [f"and {len(left) - _SHOWN} more"] if len(left) > _SHOWN else []
        raise ResidueLeft(request_id, [*left[:_SHOWN], *more])
    house.book.finish(request_id, "verifying_residue", "", {"after": asdict(after)})
    return after


def _tidy(folder: Path) -> None:
    """Remove the work tables of an erasure; whom it means stays, sealed, until it is certified."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def _certified(
    house: House, request: Request, subject: Subject, made: tuple[tuple[Notice, ...], int, ScanReport]
) -> Outcome:
    notices, destroyed, after = made
    house.book.begin(request.id, "certified")
    planned = house.book.done(request.id, "planned") or {}
    facts = Facts(
        request_id=request.id,
        subject=subject,
        before=report_of(planned["before"]),
        after=after,
        notices=notices,
        keys_destroyed=destroyed,
        stays=planned["stays"],
        started_at=request.received_at,
        # a run may take another moment for now than the one in which somebody asked
        finished_at=max(house.clock(), request.received_at),
    )
    document = dict(house.certify(facts))
    nonce = str(document.pop("nonce", ""))
    exceptions = bool(subject.shared) or any(notice.acknowledged_at is None for notice in notices)
    house.book.certify(request.id, document, nonce, exceptions=exceptions)
    house.book.finish(request.id, "certified", "done", {})
    shutil.rmtree(folder_of(house.state, request.id), ignore_errors=True)
    return Outcome(request.id, house.book.get(request.id).status)


def _places(house: House) -> list[Place]:
    return [place for store in house.stores for place in store.places().scanned]


def _searched(house: House, subject: Subject) -> ScanReport:
    """Search every store for the person's values, and for ids that were given out for them but in the lake's log."""
    report = house.scan(_places(house), Needles.of((value for _, value in subject.values), ids=subject.ids))
    return without_ids_in_the_log(report)


def without_ids_in_the_log(report: ScanReport) -> ScanReport:
    """Return a report without the ids that stand in the logs of tables, as ends of ranges."""
    return replace(report, places=tuple(_without_ids(place) for place in report.places))


def _without_ids(place: PlaceReport) -> PlaceReport:
    if place.kind != "delta":
        return place
    return replace(place, hits=tuple(h for h in place.hits if h.spelling != "id" or not h.file.startswith(_LOG)))


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def report_of(told: Mapping[str, Any]) -> ScanReport:
    """Return a report of a search as it was before it was written down as JSON."""
    places = tuple(
        PlaceReport(
            **{
                **one,
                "decoders": tuple(one["decoders"]),
                "unscanned": tuple(one["unscanned"]),
                "hits": tuple(Hit(**hit) for hit in one["hits"]),
            }
        )
        for one in told["places"]
    )
    return ScanReport(**{**told, "places": places})
