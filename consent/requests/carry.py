"""What a granted request brings about, apart from erasure: words in the ledger, a correction, an answer to fetch.

Each act comes after its step is written, and done twice it is done once.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from consent import officer
from consent.model import ALL, OBJECTED, RESTRICTED, UNRESTRICTED
from consent.requests.desk import Desk, get, identifiers, move, settle_all, standing, steps, told
from consent.requests.errors import NoSuchRequest, Unreadable
from consent.requests.model import Claimed, Request, Status
from infra.errors import KindredError

ACTOR: Final = "desk"
CORRECTIONS: Final = Path("data") / "privacy"
SOURCE: Final = "sources/privacy.yaml"
_READ: Final = frozenset({"access", "portability"})
_OURS: Final[tuple[Status, ...]] = ("accepted", "planned", "notifying")  # where a request waits for us


@dataclass(frozen=True, slots=True)
class Hands:
    """With what requests are carried out: the desk, the officer's desk for words, the workspace's folder."""

    desk: Desk
    officer: officer.Desk
    root: Path


@dataclass(frozen=True, slots=True)
class Round:
    """What one round over all requests brought: those that moved, and those that could not, with the reason."""

    moved: tuple[Request, ...]
    stuck: tuple[tuple[Request, KindredError | OSError], ...]


def run(hands: Hands, at: datetime) -> Round:
    """Carry on with every request that waits for us; one that cannot go on does not keep the others.

    An erasure is not touched: what drives it is `consent.erasure`.
    """
    settle_all(hands.desk)
    moved, stuck = [], []
    for request in standing(hands.desk, _OURS, erasures=False):
        try:
            found = _on(hands, request, at)
        except (KindredError, OSError) as error:
            stuck.append((request, error))
            continue
        if found.status != request.status:
            moved.append(found)
    _tidy(hands, at)
    return Round(tuple(moved), tuple(stuck))


def _on(hands: Hands, request: Request, at: datetime) -> Request:
    if request.status in {"accepted", "planned"}:
        return carry(hands, request.id, at)
    if request.status == "notifying" and (request.right not in _READ or _fetched_long_enough(hands.desk, request, at)):
        return move(hands.desk, request.id, "closed", at=at, actor=ACTOR)
    return request


def carry(hands: Hands, request_id: str, at: datetime) -> Request:
    """Carry out one request that was accepted, and return it."""
    request = get(hands.desk, request_id)
    if request.right == "rectification" and not (hands.root / SOURCE).is_file():
        raise Unreadable(
            f"there is no {SOURCE}, the source that corrections come in by", "docs/privacy-officer.md shows one to copy"
        )
    move(hands.desk, request_id, "planned", at=at, actor=ACTOR)
    held = identifiers(hands.desk, request_id)
    if request.right in {"restriction", "objection"}:
        _say(hands, request, held, at)
    elif request.right == "rectification":
        _correct(hands.root, request, held, told(hands.desk, request_id))
    request = move(hands.desk, request_id, "notifying", at=at, actor=ACTOR, facts=_recipients(hands))
    if request.right in _READ:
        return request  # the answer can be fetched now, for as long as the workspace says
    return move(hands.desk, request_id, "closed", at=at, actor=ACTOR)


def _say(hands: Hands, request: Request, held: tuple[Claimed, ...], at: datetime) -> None:
    action = OBJECTED if request.right == "objection" else RESTRICTED
    if request.details.get("lift"):
        action = UNRESTRICTED
    purposes = request.details.get("purposes") or [ALL]
    for one in held:
        for purpose in purposes if request.right == "objection" else [ALL]:
            said = officer.Statement(
                kind=one.kind,
                token=one.token,
                purpose=str(purpose),
                action=action,
                # The word counts from the day on which the person said it.
                occurred_at=min(request.received_at, at),
                received_at=at,
                mechanism=_mechanism(request),
                asserted_by=request.asked_by,
                jurisdiction=request.jurisdiction,
                request_id=f"privacy:{request.id}:{purpose}",
            )
            officer.record(hands.officer, said)


def _mechanism(request: Request) -> str:
    if request.asked_by == "agent":
        return "agent"
    return "centre" if request.channel == "centre" else "operator"


def _correct(root: Path, request: Request, held: tuple[Claimed, ...], said: Mapping[str, Any]) -> None:
    """Write the correction as a row of the source `privacy`: with provenance, and undone like any record."""
    corrections: Mapping[str, str] = said.get("corrections") or {}
    if not corrections:
        raise Unreadable("the request names nothing to correct", "give fields and values, such as city=Dayton")
    row = {"key": request.id, "updated_at": request.received_at.isoformat()}
    row |= {one.kind: one.value for one in held} | dict(corrections)
    folder = root / CORRECTIONS
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False, encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    # The name is the request's, never a person's; a second time the same bytes.
    Path(file.name).replace(folder / f"{request.id}.ndjson")


def forget_corrections(root: Path, values: Iterable[tuple[str, str]]) -> int:
    """Delete the corrections of a person, by any of their identifiers' values, and return how many there were."""
    wanted, gone = set(values), 0
    for file in sorted((root / CORRECTIONS).glob("*.ndjson")):
        row: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
        if wanted.intersection(row.items()):
            file.unlink()
            gone += 1
    return gone


def _tidy(hands: Hands, at: datetime) -> None:
    """Delete corrections that have long been taken in: the lake has them, with their provenance."""
    for file in sorted((hands.root / CORRECTIONS).glob("*.ndjson")):
        try:
            ended = get(hands.desk, file.stem).ended_at
        except NoSuchRequest:
            continue
        if ended is not None and at >= ended + timedelta(days=hands.desk.config.answer_days):
            file.unlink(missing_ok=True)


def _recipients(hands: Hands) -> dict[str, Any]:
    # Art. 19: who is to be told. Which of them were is written by whoever tells them.
    return {"recipients": sorted(hands.desk.config.recipients)}


def _fetched_long_enough(desk: Desk, request: Request, at: datetime) -> bool:
    ready = [step.at for step in steps(desk, request.id) if step.step == "notifying"]
    return at >= ready[-1] + timedelta(days=desk.config.answer_days)
