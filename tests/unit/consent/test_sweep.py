from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from consent import store
from consent.intake import remember_mirror
from consent.model import GIVEN, ConsentEntry, Policy
from consent.overlay import DenyOverlay
from consent.sweep import Mark, sweep
from infra.ids import Purpose, Sid, Token
from infra.workspace import Workspace

BUILT = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = Token("1:email:ann")
Say = Callable[..., int]


@pytest.fixture
def overlay(workspace: Workspace) -> Iterator[DenyOverlay]:
    overlay = DenyOverlay.open(workspace.serving_path)
    yield overlay
    overlay.close()


@pytest.fixture
def say(database: Engine) -> Say:
    """Put a word into the ledger and return its number."""

    def said(number: int, action: str = GIVEN, *, token: Token = ANN, at: datetime = BUILT - HOUR, **more: Any) -> int:
        entry = ConsentEntry(
            id=str(number),
            sid=Sid(""),
            identifier_kind="email",
            purpose=Purpose(more.pop("purpose", "personalization")),
            action=action,
            mechanism="centre",
            occurred_at=more.pop("occurred_at", at),
            received_at=at,
            **more,
        )
        store.append(database, [store.Said(token, entry)], lambda held: Sid(f"s{held}"))
        return store.sequence_of(database, entry.id)

    return said


def test_a_yes_is_denied_from_its_end_on_and_not_before(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    say(1, expires_at=BUILT + HOUR)
    say(2, token=Token("1:email:bob"))
    mark, denied = sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR / 2)
    assert (denied, overlay.denials()) == (0, [])
    mark, denied = sweep(database, overlay, policy, mark, BUILT + HOUR)
    assert (denied, overlay.denials()) == (1, [(ANN, "personalization")])
    assert sweep(database, overlay, policy, mark, BUILT + 2 * HOUR)[1] == 0
    assert sweep(database, overlay, policy, mark, BUILT) == (mark, 0)


def test_the_policys_days_count_from_the_earlier_of_said_and_heard(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    life = timedelta(days=730)
    said, heard = Token("1:email:said"), Token("1:email:heard")
    say(1, token=said, occurred_at=BUILT + HOUR - life)
    say(2, token=heard, at=BUILT + HOUR - life, occurred_at=BUILT)
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR - HOUR / 60)[1] == 0
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)[1] == 2
    assert {token for token, _ in overlay.denials()} == {said, heard}


def test_who_starts_anew_looks_back_to_the_build(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    say(1, expires_at=BUILT + HOUR)
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + 9 * HOUR)[1] == 1
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + 9 * HOUR)[1] == 1
    assert overlay.denials() == [(ANN, "personalization")]


def test_a_newer_yes_keeps_it_allowed(database: Engine, overlay: DenyOverlay, policy: Policy, say: Say) -> None:
    say(1, expires_at=BUILT + HOUR)
    say(2, at=BUILT + HOUR / 2)
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)[1] == 0


def test_a_word_that_ends_a_yes_is_seen_by_its_number(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    say(1)
    mark, _ = sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)
    # Heard before our last look, and in the ledger only after it.
    say(2, "invalidated", at=BUILT + HOUR / 2)
    assert sweep(database, overlay, policy, mark, BUILT + 2 * HOUR)[1] == 1


def test_a_publication_forgets_what_its_build_saw_and_only_that(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    late = Token("1:email:late")
    say(1, expires_at=BUILT + HOUR)
    through = say(2, token=late, expires_at=BUILT + 3 * HOUR)
    sweep(database, overlay, policy, Mark.of(BUILT), BUILT + 4 * HOUR)
    remember_mirror(database, 2, through)
    rebuilt = BUILT + 2 * HOUR
    assert overlay.purge(as_of=rebuilt, through=through) == 1
    assert overlay.denials() == [(late, "personalization")]
    # The new build has no view for Ann, so nothing is said of her again.
    assert sweep(database, overlay, policy, Mark.of(rebuilt), BUILT + 4 * HOUR)[1] == 1
    assert overlay.denials() == [(late, "personalization")]


def test_a_refusal_that_no_build_has_seen_outlives_what_ran_out_under_the_same_name(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    say(1, expires_at=BUILT + HOUR)
    said = BUILT + 3 * HOUR
    number = say(2, "withdrawn", at=said)
    overlay.restrict([ANN], [Purpose("personalization")], at=said, sequence=number)
    sweep(database, overlay, policy, Mark.of(BUILT), BUILT + 4 * HOUR)
    assert overlay.purge(as_of=BUILT + 2 * HOUR, through=number) == 0
    assert overlay.denied(ANN, "personalization")


def test_nobody_is_denied_whose_identifier_the_ledger_has_forgotten(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    say(1, expires_at=BUILT + HOUR)
    with database.begin() as connection:
        connection.execute(store.IDENTIFIER_INDEX.delete())
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)[1] == 0


def test_a_look_asks_indexes_alone(database: Engine, overlay: DenyOverlay, policy: Policy) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(database, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
    sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)
    (statement, values) = max(asked, key=lambda one: len(one[0]))
    with database.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    looks = [step for step in plan if "consent_event" in step]
    assert len(looks) == 2 + 2 * 2
    assert all(step.startswith("SEARCH consent_event USING") for step in looks)
    assert not any("(action=?)" in step for step in looks)


def test_more_than_one_batch_may_run_out_at_once(database: Engine, overlay: DenyOverlay, policy: Policy) -> None:
    word = ConsentEntry(
        id="", sid=Sid(""), identifier_kind="email", purpose=Purpose("personalization"), action=GIVEN,
        mechanism="centre", occurred_at=BUILT - HOUR, received_at=BUILT - HOUR, expires_at=BUILT + HOUR,
    )  # fmt: skip
    said = [store.Said(Token(f"1:email:{n}"), replace(word, id=str(n))) for n in range(1_000)]
    store.append(database, said, lambda held: Sid(f"s{held}"))
    assert sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)[1] == 1_000


def test_the_end_of_a_yes_that_came_after_the_build_moves_its_token_once_more(
    database: Engine, overlay: DenyOverlay, policy: Policy, say: Say
) -> None:
    """The build allowed nothing, so nothing is denied; who tells others what is shown hears of it all the same."""
    sequence = say(1, at=BUILT + HOUR, expires_at=BUILT + 2 * HOUR)
    mark, denied = sweep(database, overlay, policy, Mark.of(BUILT), BUILT + HOUR)
    assert (denied, overlay.told().moved) == (0, ())
    mark, denied = sweep(database, overlay, policy, mark, BUILT + 2 * HOUR)
    assert (denied, overlay.denials()) == (0, [])
    assert overlay.told().moved == ((ANN, BUILT + 2 * HOUR),)
    assert overlay.purge(as_of=BUILT + HOUR, through=sequence) == 0
    assert overlay.told().moved, "a build from before the end has not seen it"
    overlay.purge(as_of=BUILT + 2 * HOUR, through=sequence)
    assert not overlay.told().moved
