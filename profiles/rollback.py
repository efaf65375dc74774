"""Back to the generation before the served one, with every refusal that it has not seen denied first."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Engine

from consent.model import Policy
from consent.overlay import DenyOverlay
from consent.recall import recall
from consent.sweep import Mark, sweep
from infra.serving.store import NothingBefore, ServingStore
from profiles.errors import ManifestUnreadable
from profiles.serving import MANIFEST


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did: from where to where, and what had to be denied before."""

    given_up: str
    served: str
    denied: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """Where refusals stand, and where readers are told of them."""

    database: Engine
    overlay: DenyOverlay
    policy: Policy


def roll_back(generations: ServingStore, refusals: Refusals, now: datetime) -> RolledBack:
    """Serve the generation before the served one; nobody who has refused since it was built is shown for a moment.

    A publication makes the overlay forget what it has taken in. The generation before has not, so the ledger is asked.
    """
    before, given_up = generations.before(), generations.name()
    if before is None or given_up is None:
        raise NothingBefore
    built = judged(generations.reader(before).get(MANIFEST), before)
    denied = recall(refusals.database, refusals.overlay, refusals.policy, built)
    _, ended = sweep(refusals.database, refusals.overlay, refusals.policy, Mark.of(built), now)
    return RolledBack(given_up, generations.rollback(), denied + ended)


def judged(manifest: bytes | None, name: str) -> datetime:
    """Return when the build of a generation judged what people allow; raise `ManifestUnreadable` where it is silent."""
    try:
        return datetime.fromisoformat(orjson.loads(manifest or b"")["started_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestUnreadable(name) from error


def told_of(done: RolledBack) -> str:
    """Return in a sentence what a rollback did."""
    return (
        f"generation {done.served} is served again, and {done.given_up} is given up; {done.denied:,} refusals that it "
        "had not seen were denied first. The next run that finds something new publishes its own"
    )
