"""What a purpose could see of a person when: the changes of the feed, each valid until the next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from infra.ids import ProfileId, Purpose
from profiles.changefeed import store
from profiles.changefeed.rule import Kind
from profiles.changefeed.store import Row


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a purpose saw one version of a person, or none (null); `valid_to` is null for what holds now."""

    kind: Kind
    version: str | None
    valid_from: datetime
    valid_to: datetime | None


def history(database: Engine, profile_id: ProfileId, purpose: Purpose) -> tuple[Stretch, ...]:
    """Return the stretches of a person as far as the feed reaches back, the newest first."""
    with database.connect() as connection:
        return stretches(store.of_people(connection, [profile_id]), purpose)


def stretches(rows: Iterable[Row], purpose: Purpose) -> tuple[Stretch, ...]:
    """Return the stretches that a person's changes, the oldest first, are for a purpose."""
    found: list[Stretch] = []
    until: datetime | None = None
    for row in sorted(rows, key=lambda one: one.sequence, reverse=True):
        news = row.news.get(purpose)
        if news is not None:
            found.append(Stretch(news.kind, news.version, row.at, until))
            until = row.at
    return tuple(found)
