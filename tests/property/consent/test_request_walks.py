"""Whatever is done to requests in whatever order: nothing forbidden is reached, and what has ended is forgotten."""

import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import consent.store
from consent.requests import desk as requests
from consent.requests import judge, prove
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk
from consent.requests.errors import Shredded
from consent.requests.intake import open_request
from consent.requests.model import ENDS, FROZEN, RIGHTS, STATUSES, Claimed, Wish
from consent.requests.store import METADATA
from consent.requests.vault import Vault
from infra.database import open_database
from infra.errors import KindredError
from infra.identifiers import token

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ACTORS = ("a", "b", "c")
actors = st.sampled_from(ACTORS)
ACTS: Any = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(STATUSES)),
    st.tuples(st.just("approve"), actors, st.booleans()),
    st.tuples(st.just("attest"), actors),
    st.tuples(st.just("refuse"), st.sampled_from(["legal_claims", "identity", "others_rights"])),
    st.tuples(st.just("cancel"), actors),
    st.tuples(st.just("extend"), actors),
    st.tuples(st.just("send"), st.integers(0, 1)),
    st.tuples(st.just("answer"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)


@settings(max_examples=12)
@given(
    st.sampled_from(RIGHTS), actors, st.sampled_from(["subject", "agent"]), st.booleans(), st.booleans(),
    st.lists(ACTS, max_size=25),
)  # fmt: skip
def test_no_order_of_acts_breaks_a_promise(
    right: Any, opener: str, asked_by: Any, four: bool, vouched: bool, acts: Any  # noqa: FBT001
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/k.db", METADATA, consent.store.METADATA)
        config = RequestsConfig(four_eyes=(right,) if four else ())
        desk = Desk(database, Vault.open(Path(folder), b"w" * 32), lambda *_: None, config, proofs=b"p" * 32)
        people = tuple(Claimed("email", token(b"k" * 40, "email", v), v) for v in ("a@example.org", "b@example.org"))
        request = open_request(
            desk,
            Wish(right=right, identifiers=people, received_at=NOW, actor=opener, asked_by=asked_by, jurisdiction="DE",
                 vouched="v" if vouched else None),
            NOW,
        )  # fmt: skip
        words, at, was_frozen, accepted = ["guess"], NOW, False, request.status == "accepted"
        for act in acts:
            if act[0] == "wait":
                at += timedelta(days=act[1])
            with suppress(KindredError):
                words += done(desk, request.id, act, at, words)
            now = requests.get(desk, request.id)
            accepted = accepted or now.status == "accepted"
            if now.status in {*FROZEN, "failed"}:
                assert accepted
                assert now.verified_at is not None
            assert not (was_frozen and now.status not in {*FROZEN, "failed", "closed"})
            was_frozen = was_frozen or (right == "erasure" and now.status in FROZEN)
            if (four or asked_by == "agent") and now.approved_by is not None:
                attested = {step.actor for step in requests.steps(desk, request.id) if step.step == "attested"}
                assert now.approved_by not in {opener, *attested}
            try:
                held = requests.identifiers(desk, request.id)
                assert now.status not in ENDS or not held
                assert now.status in {*ENDS, "received", "verifying", "waiting_subject"} or held
            except Shredded:
                assert now.status in ENDS
        numbers = [step.sequence for step in requests.steps(desk, request.id)]
        assert numbers == list(range(1, len(numbers) + 1))
        desk.vault.keys.dispose()
        database.dispose()


def done(desk: Desk, request_id: str, act: Any, at: datetime, words: list[str]) -> list[str]:
    """Do one act, and return the proofs that it made."""
    kind, what = act[0], act[1]
    if kind == "move":
        requests.move(desk, request_id, what, at=at, actor="e")
    elif kind == "approve":
        judge.approve(desk, request_id, at=at, actor=what, anyway=act[2])
    elif kind == "attest":
        prove.attest(desk, request_id, "passport", at=at, actor=what)
    elif kind == "refuse":
        judge.refuse(desk, request_id, what, at=at, actor="a")
    elif kind == "cancel":
        judge.cancel(desk, request_id, at=at, actor=what)
    elif kind == "extend":
        judge.extend(desk, request_id, "complexity", at=at, actor=what)
    elif kind == "send":
        return [prove.challenge(desk, request_id, what, at=at, actor="e").word]
    elif kind == "answer":
        prove.answer(desk, request_id, words[what % len(words)], at=at)
    return []
