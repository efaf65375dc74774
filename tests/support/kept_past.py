"""A past of somebody, laid into a database as it is kept."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Engine

from infra.clock import Clock
from infra.database import bring_up_to_date, writing
from profiles.changefeed.store import METADATA as CHANGES
from profiles.history import store
from profiles.history.keeping import Keeper
from profiles.history.reading import Past
from profiles.history.rule import Looked, Shown

KEEPER = Keeper(timedelta(days=90))


def kept(
    database: Engine,
    clock: Clock,
    begins: datetime,
    told: Iterable[tuple[datetime, str, Mapping[str, Mapping[str, Any]], Iterable[str]]],
) -> Past:
    """Return a past of views: from when on which id had which views, made from which records."""
    bring_up_to_date(database, (CHANGES, store.METADATA))
    with writing(database) as connection:
        KEEPER.begin(connection, begins)
        for since, profile_id, views, records in told:
            shown = {p: Shown(str(v["version"]), orjson.dumps(v), frozenset(records)) for p, v in views.items()}
            KEEPER.note(connection, {profile_id: Looked(shown)}, since)
    return Past(database, KEEPER, clock)
