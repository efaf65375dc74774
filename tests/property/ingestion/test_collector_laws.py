"""The collector's laws: the quick way and the plain way agree, nothing is lost, nothing breaks a reader of the log."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from infra.ids import Token
from ingestion.collector.door import fault
from ingestion.collector.entry import count, merged, opened, unfolded
from ingestion.collector.errors import RequestRefused
from ingestion.collector.intake import Intake, Receipt, Taken, taken
from ingestion.collector.mend import depth, surely_flat
from ingestion.collector.moments import TOLERANCE, corrected, moment, written
from ingestion.collector.wire import EVENT_BYTES, LEVELS, Parcel, read, read_mended, read_plain

RECEIPT = Receipt("2026-11-22T09:30:00.000Z", gpc=True, ip="192.0.2.7")
MENDED = {"not_a_number", "lone_surrogate", "control_character", "not_utf8", "too_deep"}

words = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)
ids = st.one_of(
    st.none(), st.sampled_from(["u-1", "", "  ", "\x00", "x" * 100, "x" * 101, "g" * 500, "g" * 501]), words,
    st.integers(), st.integers(min_value=2**53), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2),
)  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(words, st.just("__proto__")), inner, max_size=3)
    ),
    max_leaves=6,
)
types = st.one_of(
    st.sampled_from(["identify", "track", "page", "screen", "group", "alias", "track", "merge", "", None]), values
)
contexts = st.one_of(
    values,
    st.fixed_dictionaries(
        {}, optional={"direct": st.booleans(), "ip": st.sampled_from([None, "198.51.100.1"]), "a": values}
    ),
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "type": types, "messageId": ids, "userId": ids, "anonymousId": ids, "groupId": ids, "previousId": ids,
        "event": ids, "properties": values, "traits": values, "context": contexts, "integrations": values,
        "timestamp": st.one_of(st.sampled_from(["2026-11-22T09:29:00Z", "soon"]), values), "sentAt": ids,
    },
)  # fmt: skip
plain_events = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify"]), "userId": st.sampled_from(["u-1", "u-2"]), "event": st.just("E")},
    optional={
        "messageId": st.sampled_from(["m-1", "m-2"]),
        "properties": values,
        "odd": values,
        "previousId": ids,
        "groupId": ids,
        "anonymousId": ids,
        "context": contexts,
        "sentAt": ids,
    },
)
deep = st.integers(LEVELS - 2, LEVELS + 60).map(lambda n: b'{"userId":"u","x":' + b"[" * n + b"]" * n + b"}")
huge = st.integers(-3, 3).map(lambda n: b'{"userId":"u","x":"' + b"y" * (EVENT_BYTES - 21 + n) + b'"}')
repeated = st.sampled_from([b'{"userId":1,"userId":"u","type":"page","type":"track","event":"E"}'])


def dumped(value: Any, ascii_: bool, blanks: bool) -> bytes:  # noqa: FBT001
    text = json.dumps(value, ensure_ascii=ascii_, indent=1 if blanks else None)
    return text.encode("utf-8", "surrogatepass")


raws = st.one_of(
    st.builds(dumped, st.one_of(objects, objects, plain_events, values), st.booleans(), st.booleans()),
    deep, huge, repeated,
)  # fmt: skip


def batch(events: list[bytes], common: dict[str, Any]) -> bytes:
    said = "".join(f',"{name}":{json.dumps(value)}' for name, value in common.items())
    return b'{"batch":[' + b",".join(events) + b"]" + said.encode() + b"}"


commons = st.fixed_dictionaries(
    {},
    optional={
        "context": contexts, "integrations": st.sampled_from([{"All": True}, 5, None]),
        "sentAt": st.sampled_from(["2026-11-22T09:29:30Z", "soon", 5, None, "x" * 99]), "writeKey": st.text(max_size=5),
    },
)  # fmt: skip


def intake(*, looking: bool) -> Intake:
    return Intake(
        person=lambda kind, value: f"{kind}:{value}",
        message=Token,
        mint=lambda: "minted",
        barred=(lambda _event: None) if looking else None,
    )


def both_ways(body: bytes, kind: str | None) -> Taken:
    parcel = read(body, kind)
    quick = taken(parcel, RECEIPT, intake(looking=False))
    plain = taken(parcel, RECEIPT, intake(looking=True))
    assert quick == plain
    folded(parcel, quick)
    return quick


def folded(parcel: Parcel, done: Taken) -> Taken:
    """Return what is done where the log asks for no keys: the same, in one entry or as many as there are events."""
    unkeyed = taken(parcel, RECEIPT, intake(looking=False), keyed=False)
    assert (unkeyed.answer, unkeyed.counts) == (done.answer, done.counts)
    held = [one for entry in unkeyed.entries for one in unfolded(entry.body)]
    assert held == [opened(entry.body) for entry in done.entries]
    assert sum(count(entry.body) for entry in unkeyed.entries) == len(held)
    assert not any(entry.key or b"\n" in entry.body for entry in unkeyed.entries)
    assert len(unkeyed.entries) in {1, len(done.entries)}
    return unkeyed


def read_or_refused(body: bytes, kind: str | None) -> None:
    reason = "events"
    try:
        both_ways(body, kind)
    except RequestRefused as refused:
        reason = f"{refused.code}: {refused}"
    assert reason


def verdicts(done: Taken) -> list[dict[str, Any]]:
    answer = json.loads(done.answer)
    assert answer["success"] is True
    events: list[dict[str, Any]] = answer["events"]
    return events


def rule(verdict: dict[str, Any]) -> tuple[str, str] | None:
    because = verdict.get("because")
    return None if because is None else (because["field"], because["rule"])


def strictly(raw: bytes) -> Any:
    """Return what a strict JSON reader says, or raise ValueError."""

    def refuse(_constant: str) -> Any:
        raise ValueError

    return json.loads(raw.decode(), parse_int=str, parse_float=str, parse_constant=refuse)


@given(events=st.lists(raws, max_size=6), common=commons)
@example(events=[b'{"userId":"u","type":"track","event":"E","messageId":"{{{{{[[[["}'], common={})
@example(events=[b'{"userId":"u","type":"page","context":{"direct":true}}'], common={"context": {"ip": "198.51.100.9"}})
def test_each_event_of_a_batch_has_one_entry_and_the_plain_rules_verdict(
    events: list[bytes], common: dict[str, Any]
) -> None:
    body = batch(events, common)
    done = both_ways(body, None)
    told = verdicts(done)
    assert len(told) == len(done.entries) == sum(done.counts.values()) == len(events)
    room = EVENT_BYTES - sum(len(json.dumps(common[n])) for n in ("context", "integrations") if n in common)
    for raw, said, entry in zip(events, told, done.entries, strict=True):
        held = opened(entry.body)
        if len(raw) > room and said.get("because", {}).get("rule") == "too_large":
            assert held["v"] == "too_large"
            continue
        assert b"\n" not in entry.body
        assert (held["m"], held.get("f"), held["g"]) == (said["messageId"], list(rule(said) or ()) or None, True)
        merged(entry.body)
        json.dumps(merged(entry.body), ensure_ascii=False).encode()  # no lone surrogate is left for a reader
        try:
            event = strictly(raw)
            json.dumps(event, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            assert rule(said) is not None
            continue
        if depth(raw, LEVELS) > LEVELS:
            assert rule(said) == ("", "too_deep")
        elif rule(said) is None or rule(said)[1] not in MENDED:
            assert held["e"] == event
            wrong = fault(event, raw, None)
            assert rule(said) == (None if wrong is None else (wrong.field, wrong.rule))


named_events = st.fixed_dictionaries(
    {"type": st.just("track"), "anonymousId": st.just("c"), "event": st.just("E"), "messageId": st.text('am1\\"é')},
    optional={"context": contexts, "properties": values, "odd": values},
)


@given(events=st.lists(named_events, min_size=2, max_size=6), common=commons, odd=st.none() | raws)
@example(events=[{"type": "page", "userId": "u", "messageId": f"m{n}"} for n in range(2)], common={}, odd=None)
def test_ordinary_events_are_one_entry_where_the_log_asks_for_no_keys(
    events: list[dict[str, Any]], common: dict[str, Any], odd: bytes | None
) -> None:
    texts = [dumped(event, ascii_=True, blanks=False) for event in events] + ([odd] if odd is not None else [])
    parcel = read(batch(texts, common))
    done = taken(parcel, RECEIPT, intake(looking=False))
    alone = len(folded(parcel, done).entries) != 1
    brackets = max(text.count(b"{") + text.count(b"[") for text in texts)
    ordinary = not parcel.suspect and "context" not in common and not any("context" in event for event in events)
    if odd is None and ordinary and parcel.shapes and brackets <= LEVELS:
        assert alone == any(not event["messageId"] for event in events)


@given(
    events=st.lists(st.text('[{}]x"', min_size=1, max_size=40), min_size=1, max_size=9),
    bound=st.integers(1, 12),
    more=st.integers(0, 9),
)
def test_what_is_surely_flat_has_no_part_with_more_brackets(events: list[str], bound: int, more: int) -> None:
    text, most = ",".join(events).encode(), max(event.count("[") + event.count("{") for event in events)
    if surely_flat(text, max(map(len, events)) + more, bound):
        assert most <= bound
    if text.count(b"[") + text.count(b"{") <= bound:
        assert surely_flat(text, len(text), bound)


@given(raw=raws, kind=st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]))
def test_one_event_by_its_path_is_judged_as_in_a_batch(raw: bytes, kind: str) -> None:
    one = both_ways(raw, kind)
    (said,) = verdicts(one)
    if len(raw) <= EVENT_BYTES and b'"type"' not in raw and raw.lstrip().startswith(b"{"):
        typed = raw.lstrip().replace(b"{", b'{"type":"%b",' % kind.encode(), 1).replace(b",}", b"}")
        if len(typed) <= EVENT_BYTES:
            (other,) = verdicts(both_ways(batch([typed], {}), None))
            assert rule(said) == rule(other)


@given(
    body=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)),
    kind=st.sampled_from([None, "track"]),
)
def test_any_bytes_are_events_or_refused_with_a_reason(body: bytes, kind: str | None) -> None:
    read_or_refused(body, kind)


@given(events=st.lists(raws, min_size=1, max_size=4), data=st.data())
def test_a_body_that_was_cut_or_changed_anywhere_is_no_failure(events: list[bytes], data: st.DataObject) -> None:
    body = bytearray(batch(events, {}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(body)))
    for text in (bytes(body), bytes(body[:end])):
        read_or_refused(text, None)


@given(events=st.lists(st.builds(dumped, plain_events, st.booleans(), st.just(False)), max_size=5), common=commons)
def test_mending_what_is_whole_changes_nothing(events: list[bytes], common: dict[str, Any]) -> None:
    body = batch(events, common)
    plain = read_plain(body, None)
    if plain is not None:
        again = read_mended(body, None)
        assert [bytes(raw) for raw in plain.raws] == list(again.raws)
        assert replace(plain, raws=(), shapes=None, broken=(), suspect=True) == replace(again, raws=(), broken=())


instants = st.datetimes(datetime(2016, 1, 1), datetime(2036, 12, 31)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001
zones = st.one_of(
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from([UTC, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Auckland"), ZoneInfo("Europe/Berlin")]),
)
spans = st.integers(-10 * 366 * 86_400, 10 * 366 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@given(happened=instants, zone=zones, other=zones, skew=spans, between=st.integers(0, 10 * 86_400))
@example(datetime(2024, 2, 29), UTC, UTC, timedelta(0), 86_400)  # noqa: DTZ001
@example(datetime(2026, 3, 29, 1, 59), ZoneInfo("Europe/Berlin"), UTC, timedelta(days=3_650), 7_200)  # noqa: DTZ001
def test_a_wrong_clock_makes_no_difference(
    happened: datetime, zone: Any, other: Any, skew: timedelta, between: int
) -> None:
    """However wrong the sender's clock and wherever it stands, only the time between two of its moments counts."""
    at = happened.replace(tzinfo=UTC)
    sent = at + timedelta(seconds=between)
    original, sent_at = (one.__add__(skew).astimezone(z).isoformat() for one, z in ((at, zone), (sent, other)))
    placed = corrected(original, sent_at, NOW)
    assert (placed.at, placed.note) == (NOW - timedelta(seconds=between), "")


@given(ahead=spans)
def test_the_future_is_put_at_the_receipt_and_said_so(ahead: timedelta) -> None:
    placed = corrected((NOW + ahead).isoformat(), None, NOW)
    late = ahead > TOLERANCE
    assert placed.note == ("future" if late else "")
    assert placed.at == (NOW if late else NOW + ahead)
    assert placed.at <= NOW + TOLERANCE


@given(
    original=st.one_of(st.none(), st.text(max_size=30), st.datetimes().map(str)),
    sent_at=st.one_of(st.none(), st.text(max_size=30), st.datetimes().map(str)),
)
def test_any_text_has_a_moment(original: str | None, sent_at: str | None) -> None:
    placed = corrected(original, sent_at, NOW)
    assert moment(written(placed.at)) == placed.at.replace(microsecond=placed.at.microsecond // 1000 * 1000)
