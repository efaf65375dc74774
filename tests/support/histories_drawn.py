"""Random people, ledgers and policies, drawn by hypothesis: what the laws of the decision are held on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from consent.model import (
    ACTIONS,
    BASES,
    GIVEN,
    LINKS,
    PARTED,
    REFUSALS,
    RESTRICTED,
    ConsentEntry,
    Holder,
    MatrixRow,
    Policy,
    PurposeTerms,
    Question,
)
from infra.ids import Purpose, Sid

START = datetime(2026, 1, 1, tzinfo=UTC)
SIDS = ("a", "b", "c", "d")
PURPOSES = ("service", "analytics", "email", "ads")
CHANNELS = (None, None, "email", "sms")

days = st.integers(0, 12).map(lambda n: START + timedelta(days=n))
maybe_day = st.none() | days


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    terms = {
        Purpose(name): PurposeTerms(
            name=Purpose(name),
            line=number,
            level=draw(st.sampled_from(("person", "contact"))),
            channel=draw(st.sampled_from(CHANNELS)),
            direct_marketing=draw(st.booleans()),
            gpc=draw(st.booleans()),
            notices=draw(st.sampled_from(((), (), ("terms@2",)))),
        )
        for number, name in enumerate(PURPOSES, start=1)
    }
    row = st.builds(
        MatrixRow,
        purpose=st.sampled_from(PURPOSES).map(Purpose),
        basis=st.sampled_from(BASES),
        line=st.integers(10, 99),
        jurisdiction=st.sampled_from(("*", "*", "US", "US-CA", "DE", "EU")),
        channel=st.sampled_from(CHANNELS),
        recipient=st.sampled_from((None, None, "vendor")),
        expires_after_days=st.none() | st.integers(1, 9),
        min_age=st.none() | st.sampled_from((13, 16, 18)),
    )
    return Policy(version="v", purposes=terms, rows=tuple(draw(st.lists(row, max_size=9))), masks={})


entries = st.builds(
    ConsentEntry,
    id=st.uuids().map(str),
    sid=st.sampled_from(SIDS).map(Sid),
    identifier_kind=st.just("email"),
    purpose=st.sampled_from((*PURPOSES, "all")).map(Purpose),
    action=st.sampled_from((*ACTIONS, GIVEN, GIVEN, GIVEN)),
    mechanism=st.sampled_from(("centre", "banner", "gpc")),
    occurred_at=days,
    received_at=days,
    channel=st.sampled_from(CHANNELS),
    recipient=st.sampled_from((None, None, "vendor")),
    jurisdiction=st.sampled_from((None, "US-CA", "DE", "FR")),
    notice_id=st.just("terms"),
    notice_version=st.sampled_from(("1", "2")),
    asserted_by=st.sampled_from(("subject", "guardian")),
    age_band=st.sampled_from((None, None, "u13", "adult")),
    effective_from=maybe_day,
    expires_at=maybe_day,
)
refusals = entries.flatmap(
    lambda e: st.sampled_from((*REFUSALS, RESTRICTED)).map(lambda action: replace(e, action=action))
)
links = st.sampled_from((*LINKS, PARTED))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    holders = tuple(Holder(Sid(sid), draw(links)) for sid in SIDS[: draw(st.integers(0, 3))])
    return Question(
        purpose=Purpose(draw(st.sampled_from(PURPOSES))),
        as_of=draw(days),
        holders=holders,
        entries=tuple(draw(st.lists(entries, max_size=8))),
        contact=draw(st.none() | st.sampled_from(SIDS).map(Sid)),
        channel=draw(st.sampled_from(CHANNELS)),
        recipient=draw(st.sampled_from((None, "vendor", "self"))),
        jurisdictions=tuple(draw(st.lists(st.sampled_from(("US-CA", "US-OH", "DE")), max_size=2))),
        age_band=draw(st.sampled_from((None, None, "u13", "adult"))),
    )
