"""The collector's rules, case by case, and the payloads that Segment's and RudderStack's own documents show."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.identifiers import IdentifierType, token
from infra.ids import Token
from ingestion.collector import door, forms, named
from ingestion.collector.entry import count, merged, opened, unfolded
from ingestion.collector.errors import NoBatch, NotAnEvent, NotJson, TooManyEvents
from ingestion.collector.intake import Intake, Receipt, taken
from ingestion.collector.mend import mended
from ingestion.collector.wire import BODY_BYTES, EVENT_BYTES, LEVELS, read

KEY = b"test-token-key-of-at-least-32-characters"
INTAKE = Intake(person=lambda kind, value: f"{kind}:{value}", message=Token, mint=lambda: "minted")
RECEIPT = Receipt("2026-11-22T09:30:00.000Z")
TYPES = {
    "email": IdentifierType(normaliser="email"),
    "hashed": IdentifierType(normaliser="sha256", digest_of="email"),
    "customer": IdentifierType(normaliser="code"),
}


def judged(event: Any, kind: str = "track") -> tuple[str, str] | None:
    """Return field and rule of an event's fault."""
    (said,) = json.loads(taken(read(json.dumps(event).encode(), kind), RECEIPT, INTAKE).answer)["events"]
    because = said.get("because")
    return None if because is None else (because["field"], because["rule"])


def as_read(event: dict[str, Any], kind: str = "track", **common: Any) -> dict[str, Any]:
    """Return an event as readers of the log see it, sent in a batch that says something for all."""
    body = json.dumps({"batch": [{"type": kind, **event}], **common}).encode()
    (entry,) = taken(read(body), RECEIPT, INTAKE).entries
    return merged(entry.body)


@pytest.mark.parametrize(
    ("event", "kind", "fault"),
    [
        ({"userId": "u", "event": "E"}, "track", None),
        ({"anonymousId": "c", "event": "E"}, "track", None),
        ({"event": "E"}, "track", ("userId", "no_user_anon_id")),
        ({"userId": " ", "anonymousId": "", "event": "E"}, "track", ("userId", "no_user_anon_id")),
        ({"userId": None, "anonymousId": 0, "event": "E"}, "track", None),
        ({"userId": True, "event": "E"}, "track", ("userId", "not_text")),
        ({"userId": "u", "previousId": {}, "event": "E"}, "track", ("previousId", "not_text")),
        ({"userId": "u"}, "track", ("event", "missing")),
        ({"userId": "u", "event": "\t"}, "track", ("event", "missing")),
        ({"userId": "u", "event": ["E"]}, "track", ("event", "not_text")),
        ({"userId": "u", "event": 5}, "track", None),
        ({"userId": "u"}, "page", None),
        ({"userId": "u"}, "group", ("groupId", "missing")),
        ({"userId": "u", "groupId": "g" * 500}, "group", None),
        ({"userId": "u", "groupId": "g" * 501}, "group", ("groupId", "too_long")),
        ({"userId": "u", "groupId": 7}, "group", None),
        ({"anonymousId": "c"}, "alias", ("userId", "missing")),
        ({"userId": "u"}, "alias", None),
        ({"userId": "u", "messageId": "m" * 100}, "page", None),
        ({"userId": "u", "messageId": "m" * 101}, "page", ("messageId", "too_long")),
        ({"userId": "u", "messageId": []}, "page", ("messageId", "not_text")),
        ({"userId": "u", "type": "merge"}, "page", ("type", "unknown_type")),
        ({"userId": "u", "type": []}, "page", ("type", "unknown_type")),
        ({"userId": "u", "type": None}, "page", None),
        ([], "page", ("", "not_an_object")),
        ("text", "page", ("", "not_an_object")),
        ({"userId": "u", "x": "\\u0000"}, "page", None),
        ({"userId": "u", "x": "\x00"}, "page", ("", "nul")),
        ({"userId": "u", "x": "\\\x00"}, "page", ("", "nul")),
    ],
)
def test_each_rule(event: Any, kind: str, fault: tuple[str, str] | None) -> None:
    assert judged(event, kind) == fault


def test_every_rule_says_what_would_be_right() -> None:
    from ingestion.collector.mend import RULES

    assert set(RULES.values()) <= set(door.MESSAGES)
    assert all(len(message) > 20 for message in door.MESSAGES.values())


def test_ten_thousand_properties_do_not_fit_into_an_event() -> None:
    event = {"userId": "u", "event": "E", "properties": {str(n): 1 for n in range(10_001)}}
    assert judged(event) == ("", "too_large")


@pytest.mark.parametrize("more", [0, 1])
def test_an_event_is_as_large_as_what_its_batch_says_for_all(more: int) -> None:
    context = '{"a":"%s"}' % ("x" * 10_000)
    event = '{"type":"page","userId":"u","x":"%s"}'
    room = EVENT_BYTES - len(context) - len(event % "") + more
    body = f'{{"batch":[{event % ("y" * room)}],"context":{context}}}'
    (said,) = json.loads(taken(read(body.encode()), RECEIPT, INTAKE).answer)["events"]
    assert said["verdict"] == ("quarantined" if more else "accepted")


def test_of_what_is_too_large_a_token_of_its_id_is_kept() -> None:
    body = json.dumps({"userId": "u", "messageId": "m-9", "x": "y" * 40_000}).encode()
    done = taken(read(body, "page"), RECEIPT, INTAKE)
    assert opened(done.entries[0].body) == {"r": RECEIPT.received_at, "v": "too_large", "k": "m-9"}
    assert (done.entries[0].key, done.counts) == ("", {"quarantined": 1})
    assert merged(done.entries[0].body) == {}


def test_what_a_batch_says_for_all_comes_under_what_an_event_says() -> None:
    context = {"device": {"type": "phone"}, "locale": "de"}
    found = as_read(
        {"userId": "u", "event": "E", "context": {"device": {"id": 1}}, "integrations": None},
        context=context, integrations={"All": True},
    )  # fmt: skip
    assert found["context"] == {"device": {"id": "1"}, "locale": "de"}
    assert found["integrations"] == {"All": True}
    assert as_read({"userId": "u", "event": "E", "context": "odd"}, context=context)["context"] == "odd"


@pytest.mark.parametrize(
    ("event", "sent_at", "timestamp", "note"),
    [
        ({}, None, "2026-11-22T09:30:00.000Z", None),
        ({"timestamp": "2026-11-22T09:00:00Z"}, None, "2026-11-22T09:00:00.000Z", None),
        ({"timestamp": "2019-01-01T00:00:00Z"}, "2019-01-01T00:10:00Z", "2026-11-22T09:20:00.000Z", None),
        ({"originalTimestamp": "2019-01-01T00:00:00Z"}, "2019-01-01T00:10:00Z", "2026-11-22T09:20:00.000Z", None),
        ({"timestamp": "2019-01-01T00:00:00"}, "2019-01-01T01:10:00+01:00", "2026-11-22T09:20:00.000Z", None),
        ({"timestamp": "2031-01-01T00:00:00Z"}, None, "2026-11-22T09:30:00.000Z", "future"),
        ({"timestamp": "2026-11-22T09:34:00Z"}, None, "2026-11-22T09:34:00.000Z", None),
        ({"timestamp": "soon"}, "2019-01-01T00:10:00Z", "2026-11-22T09:30:00.000Z", "unreadable"),
        ({"timestamp": 17}, None, "2026-11-22T09:30:00.000Z", "unreadable"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, "9999-12-31T23:59:59Z", "2026-11-22T09:30:00.000Z", "unreadable"),
        ({"timestamp": "2026-11-22T09:00:00Z"}, "soon", "2026-11-22T09:00:00.000Z", None),
        ({"timestamp": "2026-11-22T09:00:00Z"}, 5, "2026-11-22T09:00:00.000Z", None),
    ],
)
def test_moments(event: dict[str, Any], sent_at: Any, timestamp: str, note: str | None) -> None:
    found = as_read({"userId": "u", "event": "E", "clock": "theirs", **event}, sentAt=sent_at)
    assert (found["timestamp"], found.get("clock"), found["receivedAt"]) == (timestamp, note, RECEIPT.received_at)
    original = event.get("timestamp", event.get("originalTimestamp"))
    assert found.get("originalTimestamp") == (None if original is None else str(original))
    assert found.get("sentAt") == (None if sent_at is None else str(sent_at))


def test_an_item_s_own_moment_of_sending_counts_where_its_batch_has_none() -> None:
    event = {"userId": "u", "event": "E", "timestamp": "2019-01-01T00:00:00Z", "sentAt": "2019-01-01T00:10:00Z"}
    assert as_read(event)["timestamp"] == "2026-11-22T09:20:00.000Z"
    assert as_read(event, sentAt="2019-01-01T00:20:00Z")["timestamp"] == "2026-11-22T09:10:00.000Z"


@pytest.mark.parametrize(
    ("sent", "kept", "rule"),
    [
        (b'{"a":NaN}', {"a": "NaN"}, "not_a_number"),
        (b'{"a":-Infinity,"b":"NaN, Infinity"}', {"a": "-Infinity", "b": "NaN, Infinity"}, "not_a_number"),
        (b'{"a":"\\ud800"}', {"a": "\\ud800"}, "lone_surrogate"),
        (b'{"a":"\\\\\\udc00x\\ud83d\\ude00"}', {"a": "\\\\udc00x\U0001f600"}, "lone_surrogate"),
        (b'{"\\ud800":1}', {"\\ud800": "1"}, "lone_surrogate"),
        (b'{"a":"\x01\x1f"}', {"a": "\x01\x1f"}, "control_character"),
        (b'{"a":"\xe9"}', {"a": "\ufffd"}, "not_utf8"),
        (b'{"a":' + b"[" * 64 + b'"\\ud800",NaN' + b"]" * 64 + b"}", None, "too_deep"),
    ],
)
def test_what_cannot_be_read_is_kept_as_text(sent: bytes, kept: Any, rule: str) -> None:
    body = b'{"batch":[%b,{"type":"page","userId":"u"}]}' % sent
    bad, good = taken(read(body), RECEIPT, INTAKE).entries
    held = opened(bad.body)
    assert held["f"] == ["", rule]
    assert "f" not in opened(good.body)
    if kept is not None:
        assert held["e"] == kept


def test_what_is_nested_without_end_is_kept_as_the_text_that_it_was() -> None:
    inner = b'{"a":' * 500 + b'"x\\"y"' + b"}" * 500
    body = b'{"userId":"u","deep":' + inner + b',"after":[1,2]}'
    (entry,) = taken(read(body, "page"), RECEIPT, INTAKE).entries
    event = opened(entry.body)["e"]
    assert event["after"] == ["1", "2"]
    levels, node = 0, event["deep"]
    while isinstance(node, dict):
        node, levels = node["a"], levels + 1
    assert levels == LEVELS - 1
    assert node.encode() == b'{"a":' * (500 - levels) + b'"x\\"y"' + b"}" * (500 - levels)


def test_mending_takes_time_in_proportion_to_the_body(record_property: Callable[[str, object], None]) -> None:
    import time

    bodies = [
        b"[" * (BODY_BYTES // 4),
        b"[" * BODY_BYTES,
        b'"\\ud800"' * 60_000,
        b"NaN" * 160_000,
        b'"' * BODY_BYTES,
    ]
    for body in bodies:
        begun = time.process_time()
        mended(body, LEVELS)
        taken_ = time.process_time() - begun
        record_property("seconds", taken_)
        assert taken_ < 3


@pytest.mark.parametrize("name", ["segment_spec/spec_json_blocks.ndjson", "rudder_sdk_js/events.ndjson"])
def test_what_the_specs_show_gets_the_verdict_that_they_say(test_data: Path, name: str) -> None:
    file = test_data / "events" / name
    if not file.is_file():
        pytest.skip(f"{name} is absent")
    seen: Counter[str] = Counter()
    for line in file.read_text(encoding="utf-8").splitlines():
        body = json.loads(line)["body"]
        # The documents show an event as its method's argument; the path then says the type, as here.
        kind = body.get("type") or "track"
        wrong = judged(body, kind)
        expected = None
        if not (body.get("userId") or body.get("anonymousId")):
            expected = ("userId", "no_user_anon_id")
        elif kind == "group" and not body.get("groupId"):
            expected = ("groupId", "missing")
        elif kind == "track" and not body.get("event"):
            expected = ("event", "missing")
        assert wrong == expected, json.loads(line)["source"]
        seen["good" if wrong is None else wrong[1]] += 1
    assert seen["good"] > 30


def test_pixels_in_every_form() -> None:
    assert json.loads(forms.pixel_body({"data": "eyJhIjoiPz8_In0"})) == {"a": "???"}
    assert json.loads(forms.pixel_body({"data": "eyJhIjoiPz8/In0="})) == {"a": "???"}
    assert json.loads(forms.pixel_body({"a.b": "1", "a": "2", "a.c": "3"})) == {"a": {"b": "1", "c": "3"}}
    assert json.loads(forms.pixel_body({"a": "2", "a.b": "1"})) == {"a": {"b": "1"}}
    with pytest.raises(NotAnEvent):
        forms.pixel_body({"data": "é"})
    with pytest.raises(NotAnEvent):
        forms.parameters(b"a=\xff")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", NotJson),
        (b"[1,", NotJson),
        (b"[" * 100_000, NotJson),
        (b"[" + b",".join([b"1"] * 2_501) + b"]", TooManyEvents),
    ],
)
def test_webhooks_that_cannot_be_read(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        forms.webhook_body(body, {})


def test_webhooks_without_a_mapping_are_named_so() -> None:
    batch = json.loads(forms.webhook_body(b'[{"a":1},5]', {}))["batch"]
    assert [one["event"] for one in batch] == ["webhook", "webhook"]
    with pytest.raises(NoBatch):
        read(b"5")


def test_whom_an_event_names_by_its_source_s_word_or_by_custom() -> None:
    event = {"userId": "C-7", "traits": {"email": "Anna@example.org"}, "who": {"mail": "ben@example.org"}}
    usual = named.Naming.of({}, TYPES, "US", KEY)
    own = named.Naming.of({"email": ("who.mail",), "unknown": ("x",)}, TYPES, "US", KEY)
    found = set(usual.tokens(event))
    assert {token(KEY, "email", "anna@example.org"), token(KEY, "customer", "C7")} <= found
    assert len(found) == 3, "the address's digest too"
    assert token(KEY, "email", "ben@example.org") in set(own.tokens(event))
    assert token(KEY, "customer", "C7") not in set(own.tokens(event))


def sent(*events: dict[str, Any], **common: Any) -> bytes:
    """Return a batch of two ordinary events, and more."""
    ordinary = [{"type": "track", "event": "E", "userId": f"u-{n}", "messageId": f"m-{n}"} for n in range(2)]
    return json.dumps({"batch": [*ordinary, *events], **common}).encode()


def test_an_ordinary_request_is_one_entry_where_the_log_asks_for_no_keys() -> None:
    parcel = read(sent(sentAt="2026-11-22T09:30:01.000Z", context={"locale": "de"}))
    together, alone = (taken(parcel, Receipt(RECEIPT.received_at, gpc=True), INTAKE, keyed=k) for k in (False, True))
    (entry,) = together.entries
    assert (entry.key, count(entry.body), together.answer) == ("", 2, alone.answer)
    assert unfolded(entry.body) == [opened(one.body) for one in alone.entries]
    assert [merged(held)["context"] for held in unfolded(entry.body)] == [{"locale": "de", "gpc": True}] * 2


SECRET = {"userId": "u-9", "messageId": "m-9", "type": "page", "x": "secret"}


@pytest.mark.parametrize(
    ("event", "stored"),
    [
        ({**SECRET, "messageId": " "}, True),
        ({**SECRET, "type": "merge"}, True),
        ({**SECRET, "x": "secret" * 6_000}, False),
        ({**SECRET, "x": [[[["secret"]]]] * 30}, True),
        ({**SECRET, "context": {"direct": True}}, True),
    ],
)
def test_a_request_with_an_event_of_its_own_kind_has_an_entry_for_each(event: dict[str, Any], *, stored: bool) -> None:
    done = taken(read(sent(event)), RECEIPT, INTAKE, keyed=False)
    assert [count(entry.body) for entry in done.entries] == [1, 1, 1]
    assert any(b"secret" in entry.body for entry in done.entries) == stored
    assert {entry.key for entry in done.entries} == {""}


def test_nothing_of_an_event_that_may_not_be_stored_reaches_the_log() -> None:
    barring = replace(INTAKE, barred=lambda event: "suppressed" if event.get("userId") == "u-9" else None)
    done = taken(read(sent(SECRET)), RECEIPT, barring, keyed=False)
    assert done.counts == {"accepted": 2, "suppressed": 1}
    assert opened(done.entries[2].body) == {"r": RECEIPT.received_at, "v": "suppressed", "k": "m-9"}
    assert not any(b"secret" in entry.body for entry in done.entries)


def test_what_looks_like_an_entry_of_many_within_an_event_is_none() -> None:
    (entry,) = taken(
        read(b'{"l":[{},{}],"userId":"u","messageId":"m","e":{"l":[1,2]}}', "page"), RECEIPT, INTAKE
    ).entries
    assert count(entry.body) == len(unfolded(entry.body)) == 1


@pytest.mark.parametrize("name", ["messag\\u0065Id", 'messageId":"m-1","messag\\u0065Id', 'messageId":null,"messageId'])
def test_an_id_is_found_however_its_name_is_spelled(name: str) -> None:
    events = [f'{{"type":"page","userId":"u","{spelled}":"m-{n}"}}' for n, spelled in ((2, name), (3, "messageId"))]
    done = taken(read(f'{{"batch":[{",".join(events)}]}}'.encode()), RECEIPT, INTAKE, keyed=False)
    said = [one["messageId"] for one in json.loads(done.answer)["events"]]
    assert [held["m"] for entry in done.entries for held in unfolded(entry.body)] == said == ["m-2", "m-3"]
