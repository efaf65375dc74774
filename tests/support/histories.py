"""Random policies, ledgers and people, to hold the tongues of the decision against each other."""

import random
from datetime import UTC, datetime, timedelta

from consent.model import (
    ACTIONS,
    BASES,
    GIVEN,
    LINKS,
    PARTED,
    ConsentEntry,
    Holder,
    MatrixRow,
    Policy,
    PurposeTerms,
    Question,
)
from infra.ids import Purpose, Sid

START = datetime(2026, 1, 1, tzinfo=UTC)
PURPOSES = ("service", "analytics", "email", "ads")
PLACES = ("US-CA", "US-OH", "DE", "FR-75", "NO")


def random_policy(chance: random.Random) -> Policy:
    terms = {
        Purpose(name): PurposeTerms(
            name=Purpose(name),
            line=number,
            level=chance.choice(("person", "contact")),
            channel=chance.choice((None, None, "email")),
            direct_marketing=chance.random() < 0.5,
            gpc=chance.random() < 0.5,
            notices=chance.choice(((), (), ("terms@2",))),
        )
        for number, name in enumerate(PURPOSES, start=1)
    }
    rows = tuple(
        MatrixRow(
            purpose=Purpose(chance.choice(PURPOSES)),
            basis=chance.choice((*BASES, "consent", "opt_out", "legitimate_interest")),
            line=20 + number,
            jurisdiction=chance.choice(("*", "*", "US", "US-CA", "DE", "EU", "EEA")),
            channel=chance.choice((None, None, None, "email")),
            recipient=chance.choice((None, None, None, "vendor")),
            expires_after_days=chance.choice((None, None, 3, 9)),
            min_age=chance.choice((None, None, 13, 18)),
        )
        for number in range(12)
    )
    home = chance.choice((None, "US-CA"))
    return Policy(version="v", purposes=terms, rows=rows, masks={}, jurisdiction=home)


def random_entry(chance: random.Random, number: int, sids: list[str]) -> ConsentEntry:
    def day() -> datetime:
        return START + timedelta(days=chance.randint(0, 12))

    return ConsentEntry(
        id=str(number),
        sid=Sid(chance.choice(sids)),
        identifier_kind="email",
        controller=chance.choice(("self", "self", "self", "other")),
        purpose=Purpose(chance.choice((*PURPOSES, "all"))),
        action=chance.choice((*ACTIONS, GIVEN, GIVEN, GIVEN, GIVEN)),
        mechanism=chance.choice(("centre", "banner", "gpc")),
        occurred_at=day() - timedelta(days=chance.choice((0, 0, 366 * 5))),
        received_at=day(),
        channel=chance.choice((None, None, None, "email", "sms")),
        recipient=chance.choice((None, None, None, "vendor")),
        jurisdiction=chance.choice((None, None, None, "US-CA", "DE", "FR")),
        notice_id=chance.choice((None, "terms")),
        notice_version=chance.choice(("1", "2")),
        asserted_by=chance.choice(("subject", "guardian")),
        age_band=chance.choice((None, None, None, None, "u13", "13_15", "adult")),
        effective_from=chance.choice((None, None, None, day())),
        expires_at=chance.choice((None, None, day())),
    )


def random_people(chance: random.Random, count: int) -> list[Question]:
    """Return people who share no identifier, each with what was said under theirs: most little, some a lot."""
    people = []
    for number in range(count):
        sids = [f"p{number}-{n}" for n in range(chance.randint(1, 4))]
        words = chance.choice((0, 1, 2, 3, 5, 8))
        people.append(
            Question(
                purpose=Purpose(PURPOSES[0]),
                as_of=START + timedelta(days=9),
                holders=tuple(Holder(Sid(sid), chance.choice((*LINKS, PARTED))) for sid in sids),
                entries=tuple(random_entry(chance, number * 10 + n, sids) for n in range(words)),
                jurisdictions=tuple(sorted({p for p in chance.choices((None, *PLACES), k=chance.randint(0, 2)) if p})),
            )
        )
    return people
