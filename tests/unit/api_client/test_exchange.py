"""The rules of a call, without a server: what is sent, what is tried again, what is kept, what is said of a failure."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindred_client import calls
from kindred_client.cache import EtagCache, cache_key
from kindred_client.errors import (
    Denied,
    Invalid,
    KindredError,
    NotFound,
    Problem,
    Split,
    TooFast,
    Unauthorized,
    Unavailable,
    Unreachable,
    Unreadable,
)
from kindred_client.exchange import Manner, exchange
from kindred_client.patience import Budget, Patience, retry_after
from kindred_client.wire import Call, Lost, Reply, Send, Wait

SECRET = "jane.secret@example.org"
KEY = "kd_made-up"
LOOKUP = calls.lookup("email", SECRET, "service", ["traits.*"])
FOUND = {"profile_id": "a" * 32, "traits": {"orders": 3}, "withheld": [], "later": {"release": "adds"}}
DECISION = calls.decide(("email", SECRET), "personalization", channel="web")
CHOSEN = {"decision_id": "d1", "chosen": "no_action", "propensity": 1.0, "holdout": False, "because": "x",
          "candidates": [], "recommendations": {}}  # fmt: skip


def manner(
    *, patience: Patience | None = None, budget: Budget | None = None, cache: int = 10, chance: float = 0.5
) -> Manner:
    return Manner(KEY, patience or Patience(), budget or Budget(), EtagCache(cache), lambda: chance)


def answered(status: int, document: object = None, **headers: str) -> Reply:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, told, b"" if document is None else json.dumps(document).encode())


def problem(status: int, **headers: str) -> Reply:
    told = {"type": "urn:kindred:problem:some", "title": "No", "status": status, "detail": "because"}
    return answered(status, told, **headers)


class Played:
    """A call carried out against replies that are given in advance; the last one goes on for ever."""

    def __init__(self, call: Call[Any], how: Manner, *replies: Reply | Lost) -> None:
        self.sent: list[Send] = []
        self.waited: list[float] = []
        self.answer: Any = None
        self.error: KindredError | None = None
        steps, got, left = exchange(call, how), None, list(replies)
        try:
            while True:
                step = steps.send(got)
                if isinstance(step, Wait):
                    self.waited.append(step.seconds)
                    got = None
                else:
                    self.sent.append(step)
                    got = left.pop(0) if len(left) > 1 else left[0]
        except StopIteration as end:
            self.answer = end.value
        except KindredError as error:
            self.error = error


def test_an_identifier_travels_in_the_body_and_shows_nowhere() -> None:
    played = Played(LOOKUP, manner(), answered(200, FOUND))
    (send,) = played.sent
    assert (send.method, send.path, send.query) == ("POST", "/v1/profiles:lookup", ())
    assert json.loads(send.body or b"") == {
        "identifier": {"type": "email", "value": SECRET}, "purpose": "service", "fields": ["traits.*"],
    }  # fmt: skip
    assert send.headers["authorization"] == f"Bearer {KEY}"
    shown = f"{send!r} {LOOKUP!r} {manner()!r} {played.answer!r}"
    assert SECRET not in shown
    assert KEY not in shown
    assert played.answer.traits == {"orders": 3}


@given(status=st.sampled_from([429, 502, 503, 504]), tries=st.integers(1, 8), chance=st.floats(0, 1))
def test_tries_and_waits_are_bounded(status: int, tries: int, chance: float) -> None:
    patience = Patience(tries=tries, seconds=3.0, base=0.2, longest=1.0)
    played = Played(LOOKUP, manner(patience=patience, chance=chance), problem(status))
    assert len(played.sent) == len(played.waited) + 1 <= tries
    assert sum(played.waited) <= 3.0
    assert isinstance(played.error, Problem)
    assert all(wait <= min(1.0, 0.2 * 2**n) for n, wait in enumerate(played.waited))


@given(tried=st.integers(1, 10_000), chance=st.floats(0, 1), asked=st.none() | st.floats(0, 1e6))
def test_a_pause_is_jitter_after_what_the_server_asked(tried: int, chance: float, asked: float | None) -> None:
    pause = Patience(base=0.1, longest=5.0).pause(tried, chance, asked)
    assert (asked or 0.0) <= pause <= (asked or 0.0) + 5.0


@given(after=st.integers(0, 30))
def test_what_the_server_asks_for_is_waited_or_the_call_ends_at_once(after: int) -> None:
    played = Played(LOOKUP, manner(), problem(429, retry_after=str(after)), answered(200, FOUND))
    if after + 0.05 <= 10:
        assert played.answer is not None
        assert played.waited[0] >= after
    else:
        assert played.waited == []
        assert isinstance(played.error, TooFast)
        assert played.error.retry_after == after


@pytest.mark.parametrize("text", [None, "", "soon", "nan", "inf", "-1", "Sun, 22 Nov 2026 09:30:00 GMT"])
def test_a_header_that_says_no_seconds_is_none(text: str | None) -> None:
    assert retry_after(text) is None


@given(failing=st.integers(1, 200))
def test_a_failing_server_is_not_asked_ever_more(failing: int) -> None:
    budget = Budget(5)
    how = manner(budget=budget)
    sent = sum(len(Played(LOOKUP, how, problem(503)).sent) for _ in range(failing))
    assert sent <= failing + 5
    for _ in range(10):
        Played(LOOKUP, how, answered(200, FOUND))
    assert budget.spend()


@pytest.mark.parametrize(
    ("reply", "again"),
    [
        (Lost("ReadTimeout", sent=True), False),
        (Lost("ConnectError", sent=False), True),
        (problem(503), False),
        (problem(504), False),
        (problem(429), True),
    ],
)
def test_what_must_not_happen_twice_is_repeated_only_where_it_did_not_happen(
    reply: Reply | Lost, *, again: bool
) -> None:
    assert (Played(DECISION, manner(), reply, answered(200, CHOSEN)).answer is not None) == again
    assert Played(LOOKUP, manner(), reply, answered(200, FOUND)).answer is not None


def test_a_word_of_consent_is_repeated_under_its_key() -> None:
    call = calls.consent("email", SECRET, "email_marketing", "withdrawn", "key-1", mechanism="centre", channel=None)
    told = {"id": "e1", "purpose": "email_marketing", "action": "withdrawn", "received_at": "2026-11-22T09:30:00Z"}
    played = Played(call, manner(), Lost("ReadTimeout", sent=True), answered(201, told))
    assert [send.headers["idempotency-key"] for send in played.sent] == ["key-1", "key-1"]
    assert "channel" not in json.loads(played.sent[0].body or b"")
    assert played.answer.action == "withdrawn"


def test_an_answer_is_kept_and_asked_for_each_time() -> None:
    how = manner()
    first = Played(LOOKUP, how, answered(200, FOUND, etag='"1"'))
    assert "if-none-match" not in first.sent[0].headers
    second = Played(LOOKUP, how, answered(304))
    assert second.sent[0].headers["if-none-match"] == '"1"'
    assert second.answer is first.answer
    changed = Played(LOOKUP, how, answered(200, {**FOUND, "traits": {"orders": 4}}, etag='"2"'))
    assert changed.answer.traits == {"orders": 4}
    assert Played(LOOKUP, how, answered(304)).answer is changed.answer


@pytest.mark.parametrize("status", [403, 404, 422])
def test_what_may_no_longer_be_seen_is_forgotten(status: int) -> None:
    how = manner()
    Played(LOOKUP, how, answered(200, FOUND, etag='"1"'))
    Played(LOOKUP, how, problem(status))
    assert len(how.cache) == 0
    assert isinstance(Played(LOOKUP, how, answered(304)).error, Unreadable)


def test_another_purpose_is_another_question() -> None:
    how = manner()
    Played(LOOKUP, how, answered(200, FOUND, etag='"1"'))
    other = Played(calls.lookup("email", SECRET, "advertising", ["traits.*"]), how, answered(200, FOUND))
    assert "if-none-match" not in other.sent[0].headers


@given(st.lists(st.integers(0, 20), max_size=100), st.integers(0, 8))
def test_the_cache_is_bounded_and_keeps_what_was_used_last(used: list[int], most: int) -> None:
    cache = EtagCache(most)
    for one in used:
        cache.put(str(one).encode(), '"x"', one)
        assert len(cache) <= most
    latest = list(dict.fromkeys(reversed(used)))[:most]
    assert [cache.get(str(one).encode()) for one in latest] == [('"x"', one) for one in latest]


def test_a_key_of_the_cache_holds_no_identifier() -> None:
    assert SECRET.encode() not in cache_key(LOOKUP)
    assert len(cache_key(LOOKUP)) == 32


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Invalid), (401, Unauthorized), (403, Denied), (404, NotFound), (409, Problem), (413, Invalid),
     (422, Invalid), (429, TooFast), (500, Problem), (503, Unavailable)],
)  # fmt: skip
def test_every_status_has_its_error(status: int, kind: type[Problem]) -> None:
    played = Played(LOOKUP, manner(patience=Patience(tries=1)), problem(status))
    assert type(played.error) is kind
    assert played.error.status == status


def test_a_problem_names_places_and_ids_and_no_stranger_is_quoted() -> None:
    told = {
        "type": "urn:kindred:problem:not-as-declared", "title": "Not as declared", "status": 422, "detail": "no",
        "errors": [{"pointer": "/identifier/type", "wrong": "is missing"}], "error_id": "e7",
    }  # fmt: skip
    error = Played(LOOKUP, manner(), answered(422, told)).error
    assert isinstance(error, Invalid)
    assert (error.places, error.error_id) == ({"/identifier/type": "is missing"}, "e7")
    assert "/identifier/type is missing" in str(error)
    proxy = Reply(404, {}, f"<h1>no {SECRET}</h1>".encode())
    strange = Played(LOOKUP, manner(), proxy).error
    assert isinstance(strange, NotFound)
    assert SECRET not in str(strange)
    assert SECRET not in repr(strange)
    quoting = answered(403, {"title": SECRET, "detail": SECRET, "type": "about:blank"})
    assert SECRET not in str(Played(LOOKUP, manner(), quoting).error)


@pytest.mark.parametrize(
    "reply",
    [answered(200), answered(200, [1]), answered(200, {"profile": SECRET}), Reply(200, {}, b"<html>"),
     answered(200, {**FOUND, "identifiers": [SECRET]}), answered(302), answered(204)],
)  # fmt: skip
def test_an_answer_of_another_kind_is_said_to_be_one(reply: Reply) -> None:
    error = Played(LOOKUP, manner(), reply).error
    assert isinstance(error, Unreadable)
    assert error.__cause__ is error.__context__ is None
    assert SECRET not in str(error)


def test_a_split_id_names_who_answers_for_it() -> None:
    told = {"profile_id": "f" * 32, "successors": ["a" * 32, "b" * 32]}
    error = Played(calls.by_id("f" * 32, "service", None), manner(), answered(300, told)).error
    assert isinstance(error, Split)
    assert error.successors == ("a" * 32, "b" * 32)


def test_a_batch_is_answered_in_its_order_and_a_stranger_is_none() -> None:
    call = calls.batch([("email", SECRET), ("phone", "x"), ("email", "b@example.org")], "service", None)
    told = {"results": [{"status": 404}, {"status": 422}, {"status": 200, "profile": FOUND}]}
    played = Played(call, manner(), answered(200, told))
    assert [one and one.profile_id for one in played.answer] == [None, None, "a" * 32]
    assert json.loads(played.sent[0].body or b"")["people"][0] == {"type": "email", "value": SECRET}
    assert SECRET not in repr(call)


def test_no_answer_at_all_is_said_with_its_kind() -> None:
    error = Played(LOOKUP, manner(patience=Patience(tries=2)), Lost("ReadTimeout", sent=True)).error
    assert isinstance(error, Unreachable)
    assert (error.kind, error.tries) == ("ReadTimeout", 2)


@pytest.mark.parametrize("profile_id", ["a/../b", "a?purpose=x", "ä b"])
def test_an_id_cannot_leave_its_place_in_the_address(profile_id: str) -> None:
    assert set(calls.by_id(profile_id, "service", None).path.removeprefix("/v1/profiles/")).isdisjoint("/? ")
