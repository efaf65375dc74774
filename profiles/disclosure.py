"""What profiles hold of a person, for a request for access; and who that person is, as far as it is sure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from consent.model import Policy
from consent.requests.disclosure import Person
from consent.requests.tables import Tables, Told, strict_purposes
from identity.disclosure import former, portable, profiles_of
from infra.errors import Missing
from infra.ids import ProfileId, RecordKey, Token
from ingestion.disclosure import carrying
from profiles.header import Header
from profiles.serving import ProfileReader
from profiles.tables import BORROWED_REFUSALS, CONSENT_CHANGES, PROFILE_CONSENT, PROFILE_TRAITS, PROFILE_VIEWS

_SURE: Final = ("own", "verified")
TOLD: Final = (
    Told(
        table=PROFILE_VIEWS, by="profile", columns=("profile_id",), origin="derived", mixed=True,
        told="Your golden record, as each purpose sees it, with the source and the rule of every value",
    ),
    Told(
        table=PROFILE_TRAITS, by="profile", columns=("profile_id",), origin="derived", mixed=True,
        told="What we concluded about you: counts, scores, favourites",
    ),
    Told(
        table=PROFILE_CONSENT, by="profile", columns=("profile_id",), origin="handling",
        told="What your profile may be used for, and why",
    ),
    Told(
        table=CONSENT_CHANGES, by="profile", columns=("profile_id",), origin="handling",
        told="How answers changed when records came together or apart",
        hidden=frozenset({"batch", "sids", "was", "left_key", "right_key"}),
    ),
    Told(
        table=BORROWED_REFUSALS, by="record", columns=("record_key",), origin="handling",
        told="Refusals that a record of yours keeps although whoever said them is no longer taken for you",
        hidden=frozenset({"batch", "sid"}),
    ),
)  # fmt: skip
LEFT_OUT: Final = {
    "profile_timeline": "a shortened copy of your events, which are told whole",
    "profile_graph": "a drawing of your records and what ties them, which are told whole",
    "profile_tokens": "keyed digests of your identifiers, which are told themselves",
}


def disclosed(lake: Path, policy: Policy) -> Tables:
    """Return the tables of profiles for an answer."""
    return Tables("profiles", lake, TOLD, LEFT_OUT, strict_purposes(policy))


def person_of(lake: Path, reader: ProfileReader, tokens: Iterable[Token]) -> Person:
    """Return the person who proved to hold some tokens: every record that is surely theirs, none that is only probably.

    A token that leads to several people proves nothing about any of them: a household's phone opens nobody's records.
    """
    proved = frozenset(tokens)
    carried = carrying(lake, proved)
    homes = profiles_of(lake, frozenset().union(*carried.values()))
    sure: set[RecordKey] = set()
    unsure: set[RecordKey] = set()
    profiles: set[ProfileId] = set()
    for token, records in sorted(carried.items()):
        at_home = {homes[record] for record in records if record in homes}
        if len(at_home) > 1 or len(_candidates(reader, token)) > 1:
            unsure |= records
            continue
        sure |= records
        profiles |= at_home
    for profile in sorted(profiles):
        header = _header(reader, profile)
        if header is not None:
            ours = {
                key for key, held in header.records.items() if any(header.tokens.get(t) in _SURE for t in held.tokens)
            }
            sure |= ours
            unsure |= set(header.records) - ours
    unsure -= sure
    return Person(
        tokens=proved,
        records=frozenset(sure),
        profiles=tuple(sorted(profiles)),
        former=former(lake, profiles),
        portable=portable(lake, sure),
        unsure=len(unsure),
    )


def _candidates(reader: ProfileReader, token: Token) -> tuple[ProfileId, ...]:
    try:
        return reader.candidates(token)
    except Missing:
        return ()  # nothing was published yet


def _header(reader: ProfileReader, profile: ProfileId) -> Header | None:
    try:
        return reader.header(profile)
    except Missing:
        return None
