"""An erasure store by store: what each held, which steps are behind it, what was searched; for whoever follows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent.erasure.book import STEPS, Request, StepRow
from consent.erasure.workflow import RETENTION

# The steps that every store takes for itself.
IN_STORES: Final = ("deleting", "purging", "expiring")
# After a run that failed: what is wrong is mended by people, and no machine need hurry.
AGAIN: Final = timedelta(hours=1)
_DONE: Final = "done"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of an erasure: when it began and when it was done, None where it was not yet."""

    step: str
    begun_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoreLine:
    """One store: the rows that it held by table, and the stages that it takes for itself."""

    store: str
    held: Mapping[str, int]
    stages: tuple[Stage, ...]

    @property
    def rows(self) -> int:
        """How many rows it held of the person."""
        return sum(self.held.values())


@dataclass(frozen=True, slots=True)
class Followed:
    """How far an erasure has come. `expires_at` is when files go that older versions need, where it waits for that."""

    id: str
    status: str
    received_at: datetime
    stages: tuple[Stage, ...]
    stores: tuple[StoreLine, ...]
    expires_at: datetime | None


def followed(request: Request, lines: Sequence[StepRow]) -> Followed:
    """Return an erasure as the book tells it, stage by stage and store by store."""
    planned = next((one.facts for one in lines if (one.step, one.status) == ("planned", _DONE)), {})
    held: Mapping[str, Mapping[str, int]] = planned.get("rows", {})
    names = dict.fromkeys([*held, *(one.store for one in lines if one.step in IN_STORES and one.store)])
    return Followed(
        id=request.id,
        status=request.status,
        received_at=request.received_at,
        stages=tuple(_stage(lines, step, "") for step in STEPS),
        stores=tuple(
            StoreLine(name, held.get(name, {}), tuple(_stage(lines, step, name) for step in IN_STORES))
            for name in names
        ),
        expires_at=_expires_at(lines),
    )


def _stage(lines: Sequence[StepRow], step: str, store: str) -> Stage:
    mine = [one for one in lines if one.step == step and (one.store == store or _certified(one, store))]
    begun = next((one.at for one in mine if one.status == "begun"), None)
    return Stage(step, begun, next((one.at for one in mine if one.status == _DONE), None))


def _certified(line: StepRow, store: str) -> bool:
    # The last step is written down as done under a name of its own, so that the status stays that of the certificate.
    return not store and (line.step, line.store) == (STEPS[-1], _DONE)


def _expires_at(lines: Sequence[StepRow]) -> datetime | None:
    """Return until when files are kept that older versions need, where all else is purged."""
    if any(one.step == "expiring" for one in lines):
        return None
    purged = [one.at for one in lines if (one.step, one.store, one.status) == ("purging", "", _DONE)]
    return purged[0] + RETENTION if purged else None


@dataclass(frozen=True, slots=True)
class Tried:
    """The newest run of an erasure: how it stands, when it ended, why it failed where it did."""

    status: str
    finished_at: datetime | None
    error: str | None


def goes_on(erasure: Followed, last: Tried | None, at: datetime) -> bool:
    """Say whether a run is worth while now: none is under way, nothing is waited for, the last did not just fail."""
    if last is not None and last.finished_at is None:
        return False
    if erasure.expires_at is not None and at < erasure.expires_at:
        return False
    if last is None or last.finished_at is None or last.error is None:
        return True
    return at >= last.finished_at + AGAIN
