"""Clerks' work in the database: the sample to judge as last drawn, and every answer ever given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from identity.quality.clerical import Sampled
from identity.stewardship.store import CLERICAL_ANSWER, CLERICAL_PAIR
from infra.database import writing
from infra.ids import RecordKey


@dataclass(frozen=True, slots=True)
class Answered:
    """What a clerk said of a pair; None: nobody could tell."""

    pair_id: str
    same: bool | None
    actor: str
    at: datetime


def lay(engine: Engine, sample: Sequence[Sampled], at: datetime) -> None:
    """Make this the sample to judge; answers that were given stay, and count where their pair was drawn again."""
    with writing(engine) as connection:
        connection.execute(delete(CLERICAL_PAIR))
        rows = [
            {
                "id": one.id, "left_key": one.left, "right_key": one.right, "stratum": one.stratum,
                "claimed": one.claimed, "pairs": one.pairs, "place": place, "drawn_at": at,
            }
            for place, one in enumerate(sample)
        ]  # fmt: skip
        if rows:
            connection.execute(insert(CLERICAL_PAIR), rows)


def sample(engine: Engine) -> list[Sampled]:
    """Return the sample as it was drawn last, in the order to judge it in."""
    with engine.connect() as connection:
        return [
            Sampled(r.id, RecordKey(r.left_key), RecordKey(r.right_key), r.stratum, r.claimed, r.pairs)
            for r in connection.execute(select(CLERICAL_PAIR).order_by(CLERICAL_PAIR.c.place))
        ]


def answer(engine: Engine, said: Answered) -> None:
    """Keep an answer; of several about one pair the newest counts."""
    with writing(engine) as connection:
        connection.execute(
            insert(CLERICAL_ANSWER).values(pair_id=said.pair_id, same=said.same, actor=said.actor, answered_at=said.at)
        )


def answers(engine: Engine) -> dict[str, bool | None]:
    """Return the newest answer to every pair that was ever judged."""
    with engine.connect() as connection:
        rows = connection.execute(select(CLERICAL_ANSWER).order_by(CLERICAL_ANSWER.c.number))
        return {r.pair_id: r.same for r in rows}
