"""Records without a slip of the pen: they agree without exception, which no likelihood can be learnt from."""

from collections.abc import Callable
from random import Random
from typing import Any

from identity.config import IdentityConfig
from identity.modelling import training

GIVEN = ("Margaret", "Robert", "Susan", "Thomas", "Linda", "William", "Barbara", "Richard", "Elizabeth", "Joseph")
FAMILY = ("Whitcombe", "Ashdown", "Pemberton", "Lockhart", "Fairbanks", "Holloway", "Winslow", "Kingsley", "Merrick")


def test_a_model_is_learnt_of_people_who_are_told_twice_in_the_same_words(
    opened: Callable[..., Any], told: Any, identity_config: IdentityConfig
) -> None:
    chance = Random(5)  # noqa: S311 - the same people each time, no secret
    names = [(chance.choice(GIVEN), chance.choice(FAMILY)) for _ in range(300)]
    rows = []
    for n, (given, family) in enumerate(names):
        born = f"{1940 + n % 60}-{n % 12 + 1:02}-{n % 28 + 1:02}"
        who = {"given_name": given, "family_name": family, "birth_date": born}
        mail = {"email": f"{given}.{family}.{n}@example.org".lower()}
        rows.append(told(f"a{n:03}", {**who, "postcode": f"{20000 + n}"}, mail))
        rows += [told(f"b{n:03}", who, mail)] if n % 2 == 0 else []
    connection = opened(rows)
    model = training.train(connection, identity_config)
    assert {c.name for c in model.comparisons} >= {"given_name", "family_name", "birth_date"}
    assert all(0 < level.m <= 1 for c in model.comparisons for level in c.levels)
    connection.close()
