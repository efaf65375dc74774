"""Rules that mend rejected rows, and what they would do, told without an engine."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pydantic import ValidationError

from infra.database import open_database
from infra.errors import value_class
from ingestion.check import checks
from ingestion.config import Source
from ingestion.quarantine import store
from ingestion.quarantine.again import Form, again
from ingestion.quarantine.opened import Rejection, groups, open_rejections, recoveries
from ingestion.quarantine.patch import Fix, mended
from ingestion.quarantine.preview import Contract, preview
from ingestion.quarantine.rules import FixRules, from_options
from ingestion.quarantine.shown import shown
from ingestion.tracking.declared import TrackingPlan

AT = datetime(2026, 11, 1, tzinfo=UTC)
CRM = Source.model_validate(
    {
        "source": "crm",
        "connector": {"type": "files", "path": "data/crm/*.csv", "format": "csv"},
        "record": "person",
        "key": "id",
        "fields": {"given_name": "name", "birth_date": "dob"},
        "identifiers": {"email": ["email", "email2"]},
        "contract": {"dob": {"type": "date", "max": "today"}, "spent": {"type": "number"}},
    }
)


def made(**rules: Any) -> Fix:
    return FixRules.model_validate({"source": "crm", **rules}).fix()


def contract(source: Source = CRM) -> Contract:
    return Contract(source, checks(source, AT, {}), "UTC", date(2026, 11, 1))


def rejected(position: int, payload: dict[str, Any], field: str | None = "dob", rule: str = "type") -> Rejection:
    text = json.dumps(payload)
    return Rejection("crm", "a.csv", position, field, rule, "text", "dob must be a date", AT, 1, f"h{text}", text)


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ({"set": {"b": "x"}}, {"a": "1"}, {"a": "1", "b": "x"}),
        ({"set": {"a": None}}, {"a": "1"}, {"a": None}),
        ({"set": {"p.q": "x"}}, {"p": {"r": "1"}}, {"p": {"r": "1", "q": "x"}}),
        ({"set": {"p.q": "x"}}, {"p": "text"}, {"p": "text"}),
        ({"rename": {"e_mail": "email"}}, {"e_mail": "x", "email": ""}, {"email": "x"}),
        ({"rename": {"e_mail": "email"}}, {"e_mail": "x", "email": "y"}, {"e_mail": "x", "email": "y"}),
        ({"rename": {"p.q": "a"}}, {"p": {"q": "1"}}, {"p": {}, "a": "1"}),
        ({"drop": "a"}, {"a": "1", "b": "2"}, {"b": "2"}),
        ({"drop": ["p.q", "b"]}, {"p": {"q": "1"}, "b": "2"}, {"p": {}}),
        ({"map": {"a": {"W": "F", "": "X"}}}, {"a": " W "}, {"a": "F"}),
        ({"map": {"a": {"W": "F", "": "X"}}}, {"a": None}, {"a": "X"}),
        ({"replace": {"a": {"pattern": "^00", "with": "+"}}}, {"a": "0044 00"}, {"a": "+44 00"}),
        ({"replace": {"a": {"pattern": "[ -]", "with": ""}}}, {"a": "1-2 3"}, {"a": "123"}),
        ({"replace": {"a": {"pattern": "x", "with": r"\1"}}}, {"a": "x"}, {"a": r"\1"}),
        ({"cast": {"a": "number:,"}}, {"a": "12,50"}, {"a": "12.50"}),
        ({"cast": {"a": "number:,"}}, {"a": "1.234,50"}, {"a": "1.234,50"}),
        ({"cast": {"a": "number:,."}}, {"a": "-1.234.567,5"}, {"a": "-1234567.5"}),
        ({"cast": {"a": "number:,."}}, {"a": "1,234"}, {"a": "1.2340"}),
        ({"cast": {"a": "number:.,"}}, {"a": "1,234"}, {"a": "1234"}),
        ({"cast": {"a": "date:%d.%m.%Y"}}, {"a": " 3.2.1980"}, {"a": "1980-02-03"}),
        ({"cast": {"a": "date:%d.%m.%Y"}}, {"a": "31.2.1980"}, {"a": "31.2.1980"}),
        ({"cast": {"a": "timestamp:%d/%m/%Y %H:%M"}}, {"a": "03/02/2026 10:05"}, {"a": "2026-02-03T10:05:00"}),
        ({"cast": {"a": "timestamp:%d/%m/%Y %H%z"}}, {"a": "03/02/2026 9+0100"}, {"a": "2026-02-03T09:00:00+01:00"}),
        ({"set": {"a": "x"}, "when": {"b": ["1", "2"]}}, {"b": "2 "}, {"b": "2 ", "a": "x"}),
        ({"set": {"a": "x"}, "when": {"b": "1"}}, {"b": "2"}, {"b": "2"}),
        ({"set": {"a": "x"}, "when": {"b": {"matches": "[0-9]+"}}}, {"b": "22"}, {"b": "22", "a": "x"}),
        ({"set": {"a": "x"}, "when": {"a": ""}}, {}, {"a": "x"}),
        # what would never end is left alone
        ({"replace": {"a": {"pattern": "a", "with": "aa"}}}, {"a": "a"}, {"a": "a"}),
        ({"map": {"a": {"x": "y", "y": "x"}}}, {"a": "x"}, {"a": "x"}),
    ],
)  # fmt: skip
def test_a_step_does_one_thing(step: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    found = mended(made(steps=[step]), before)
    assert found is not None
    assert found.tree == after


def test_a_row_outside_the_conditions_is_not_named() -> None:
    fix = made(rule="type", field="dob", when={"country": "DE"}, steps=[{"set": {"a": "x"}}])
    assert mended(fix, {"country": "US"}) is None
    asked = [("crm", "dob", "type"), ("crm", "dob", "min"), ("crm", None, "type"), ("web", "dob", "type")]
    assert [fix.where.names(*one) for one in asked] == [True, False, False, False]


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"steps": [{"set": {"a": "1"}, "drop": "b"}]}, "a step does one thing"),
        ({"steps": [{"when": {"a": "1"}}]}, "a step does one thing"),
        ({"steps": [{"cast": {"a": "date:%Y-%m-%d"}}]}, "also reads what is right already"),
        ({"steps": [{"cast": {"a": "date:%d.%m.%y"}}]}, "with four digits"),
        ({"steps": [{"cast": {"a": "date:%"}}]}, "with four digits"),
        ({"steps": [{"cast": {"a": "date:%d.%m.%Y %d"}}]}, "each once"),
        ({"steps": [{"cast": {"a": "date:%d.%b.%m.%Y"}}]}, "each once"),
        ({"when": {"a": {"b": "c"}}}, "Field required"),
        ({"when": {"a": []}}, "at least 1 item"),
        ({"steps": [{"cast": {"a": "number"}}]}, "number:, for 12,50"),
        ({"steps": [{"cast": {"a": "money:,"}}]}, "what is to be read how"),
        ({"steps": [{"replace": {"a": {"pattern": "(?i)x", "with": ""}}}]}, "not portable"),
        ({"steps": [{"replace": {"a": {"pattern": "x*", "with": ""}}}]}, "also matches nothing"),
        ({"steps": [{"replace": {"a": {"pattern": "[", "with": ""}}}]}, "middle of something"),
        ({"when": {"a": {"matches": "(?<x>y)"}}}, "not portable"),
        ({"steps": [{"sett": {"a": "1"}}]}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rules: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        FixRules.model_validate({"source": "crm", **rules})


def test_options_and_yaml_make_the_same_fix_and_its_id_is_its_rules() -> None:
    told = from_options(
        {"source": "crm", "rule": "type", "when": {"country": ["DE"]}},
        {
            "set": ["name="],
            "replace": ["phone:^00=>+"],
            "map": ["g:W=F"],
            "rename": ["a=b"],
            "cast": ["dob=date:%d.%m.%Y"],
            "drop": ["fax"],
        },
    )
    written = FixRules.model_validate(
        {
            "source": "crm",
            "rule": "type",
            "when": {"country": "DE"},
            "steps": [
                {"drop": "fax"},
                {"rename": {"a": "b"}},
                {"map": {"g": {"W": "F"}}},
                {"replace": {"phone": {"pattern": "^00", "with": "+"}}},
                {"cast": {"dob": "date:%d.%m.%Y"}},
                {"set": {"name": None}},
            ],
        }
    )
    assert told.fix() == written.fix()
    assert FixRules.model_validate(told.canonical()).fix() == told.fix()
    assert made(rule="type").id != made(rule="min").id
    with pytest.raises(ValueError, match="FIELD:OLD=NEW"):
        from_options({"source": "crm"}, {"map": ["g"]})


def test_a_preview_counts_what_would_pass_and_masks_its_examples() -> None:
    rows = [
        rejected(2, {"id": "1", "dob": "03.02.1980", "spent": "1"}),
        rejected(3, {"id": "2", "dob": "03.02.2980"}),
        rejected(4, {"id": "3", "dob": "no day"}),
        rejected(5, {"id": " ", "dob": "03.02.1980"}),
        rejected(6, {"line": "7,03.02.1980,x,y"}, None, "csv"),
        rejected(7, {"line": "8,03.02.1980"}, None, "csv"),
    ]
    # one row rejected for two reasons is one row
    rows.append(rejected(2, {"id": "1", "dob": "03.02.1980", "spent": "1"}, "dob", "max"))
    fix = made(steps=[{"cast": {"dob": "date:%d.%m.%Y"}}, {"replace": {"line": {"pattern": ",x,y$", "with": ",x"}}}])
    form = Form("csv", ",", {"a.csv": (("id", "dob", "email"),)})
    found = preview(fix, rows, form, contract())
    assert (found.named, found.changed, found.restless, found.passing) == (6, 4, 0, 1)
    assert [(s.field, s.rule, s.rows) for s in found.still] == [
        ("dob", "type", 2),  # no day, and the line that is whole now but whose day nobody cast
        (None, "csv", 1),
        ("dob", "max", 1),
        ("id", "required", 1),
    ]
    assert "1980" not in repr(found)
    masked = found.examples[0].masked()
    assert (masked.place, masked.before, masked.after, masked.passes) == (
        "crm:a.csv:2", {"dob": "text of 10 characters"}, {"dob": "text of 10 characters"}, True,
    )  # fmt: skip
    assert found.examples[0].after == {"dob": "1980-02-03"}


def test_a_preview_goes_by_what_the_source_makes_of_violations_and_days() -> None:
    soft = CRM.model_copy(update={"on_violation": "drop_field", "date_order": "day_first"})
    row = rejected(2, {"id": "1", "dob": "03/02/1980", "spent": "much"})
    as_they_are = made()
    assert preview(as_they_are, [row], Form("csv"), contract(soft)).passing == 1
    strict = soft.model_copy(update={"on_violation": "quarantine"})
    assert [s.field for s in preview(as_they_are, [row], Form("csv"), contract(strict)).still] == ["spent"]
    told = rejected(3, {"id": "1"}, None, "immutable")
    assert preview(as_they_are, [told], Form("csv"), contract()).still[0].rule == "immutable"


def test_a_preview_goes_by_the_tracking_plan_too() -> None:
    declared = {"source": "web", "connector": {"type": "collector"}, "identifiers": {"email": "traits.email"}}
    plan = {"events": [{"event": "Paid", "properties": {"total": {"type": "number", "required": True}}}]}
    tracking = TrackingPlan.model_validate({"tracking_plan": "shop", "sources": ["web"], **plan})
    web = Source.model_validate(declared).model_copy(update={"tracking": tracking})
    event = {"messageId": "m", "timestamp": "2026-10-31T09:00:00Z", "userId": "u", "type": "track", "event": "Paid"}
    rows = [
        rejected(number, {**event, "properties": said}, "properties.total")
        for number, said in enumerate([{"total": "1,5"}, {"total": "12"}, {"total": 3}, {}])
    ]
    (still,) = preview(made(), rows, Form("log"), contract(web)).still[:1]
    assert (still.field, still.rule, still.rows) == ("properties.total", "type", 2)
    assert still.reason.endswith("must be a number, and no text (tracking plan shop, track Paid 1)")
    cast = preview(made(steps=[{"cast": {"properties.total": "number:,"}}]), rows, Form("log"), contract(web))
    assert (cast.named, cast.changed, cast.passing) == (4, 2, 3)
    assert [(one.rule, one.rows) for one in cast.still] == [("required", 1)]


def test_a_consequence_of_its_own_keeps_a_row_from_being_rejected() -> None:
    rules = {"dob": {"type": "date", "max": "today", "on_violation": {"max": "accept_and_flag"}}}
    crm = Source.model_validate({**CRM.model_dump(exclude_unset=True), "contract": rules})
    late, none = rejected(2, {"id": "1", "dob": "2999-01-01"}), rejected(3, {"id": "2", "dob": "soon"})
    found = preview(made(), [late, none], Form("csv"), contract(crm))
    assert (found.passing, [(one.field, one.rule) for one in found.still]) == (1, [("dob", "type")])


@pytest.mark.parametrize(
    ("rule", "line", "fault", "values"),
    [
        ("csv", '1,"Ann, B.",x', None, ("1", "Ann, B.")),
        ("csv", '1,"Ann\nB.",x', None, ("1", "Ann\nB.")),
        ("csv", "1,Ann", "csv", (None, None)),
        ("csv", "1,Ann,x\n2,Bob,y", "csv", (None, None)),
        ("csv", '1,"Ann,x', "csv", (None, None)),
        ("encoding", r"1,Andr\xe9,x", "encoding", (None, None)),
        ("encoding", "1,Andr\u00e9,x", None, ("1", "Andr\u00e9")),
    ],
)
def test_a_line_is_read_by_the_header_of_its_file(
    rule: str, line: str, fault: str | None, values: tuple[str | None, ...]
) -> None:
    form = Form("csv", ",", {"a.csv": (("other",), ("id", "na,me", "email"))})
    found = again(form, ("id", "na,me"), "a.csv", rule, json.dumps({"line": line}))
    assert (found.fault, found.values) == (fault, values)
    assert again(form, ("id", "na,me"), "gone.csv", rule, json.dumps({"line": line})).fault is not None


def test_a_rejected_row_has_the_columns_of_a_good_one_and_values_only_when_revealed() -> None:
    row = rejected(2, {"id": "1", "name": " Ann ", "dob": "no day", "email": "ann@example.org", "email2": ""})
    masked = shown(row, CRM, reveal=False)
    assert (masked["place"], masked["field"], masked["rule"]) == ("crm:a.csv:2", "dob", "type")
    assert masked["row"] == {
        "key": "1 digits",
        "observed_at": "empty",
        "identifiers.email[0]": "text of 15 characters",
        "identifiers.email[1]": "empty",
        "attributes.given_name": "text of 3 characters",
        "attributes.birth_date": "text of 6 characters",
    }
    assert shown(row, CRM, reveal=True)["row"]["attributes.given_name"] == "Ann"
    unmapped = shown(rejected(2, {"id": "1", "spent": "much"}, "spent"), CRM, reveal=True)
    assert unmapped["row"]["spent"] == "much"
    line = rejected(3, {"line": "1,Ann,x"}, None, "csv")
    assert shown(line, CRM, reveal=False)["row"] == {"line": value_class("1,Ann,x")}
    assert shown(row, None, reveal=True)["row"]["name"] == " Ann "


def lake(root: Path) -> Path:
    """Write a quarantine of three rows, of which one was recovered and one came again."""
    own = {"file": "a.csv", "value_class": "text", "reason": "mend it", "received_at": AT, "payload": "{}"}
    rows = [
        {"source": "crm", "position": 2, "field": "dob", "rule": "type", "content_hash": "h1", "batch": 1, **own},
        {"source": "crm", "position": 3, "field": None, "rule": "csv", "content_hash": "h2", "batch": 1, **own},
        {"source": "crm", "position": 3, "field": None, "rule": "csv", "content_hash": "h2", "batch": 3, **own},
        {"source": "web", "position": 9, "field": "dob", "rule": "type", "content_hash": "h1", "batch": 1, **own},
    ]
    write_deltalake(str(root / "quarantine"), pa.Table.from_pylist(rows))
    told = {"source": "crm", "fix": "f1", "key": "C1", "replayed_at": AT, "arrived_at": AT, "batch": 2}
    done = [
        {**told, "content_hash": "h1", "field": "dob", "rule": "type", "verdict": "accepted"},
        {**told, "content_hash": "h2", "field": None, "rule": "csv", "verdict": "quarantined", "key": None},
    ]
    write_deltalake(str(root / "recovered"), pa.Table.from_pylist(done))
    return root


def test_what_was_recovered_is_no_longer_open_until_it_comes_again(tmp_path: Path) -> None:
    found = groups(open_rejections(lake(tmp_path)))
    assert [(g.source, g.field, g.rule, g.rows, g.places) for g in found] == [
        ("crm", None, "csv", 1, ("crm:a.csv:3",)),
        ("web", "dob", "type", 1, ("web:a.csv:9",)),
    ]
    assert [one.source for one in open_rejections(tmp_path, "web")] == ["web"]
    # as a run sees it that began before the table of what was recovered was there
    assert len(list(open_rejections(tmp_path, base={"quarantine": 0}))) == 4
    assert list(open_rejections(tmp_path, base={})) == []
    (told,) = recoveries(tmp_path, "crm", "C1")
    assert (told["fix"], told["verdict"], told["rule"]) == ("f1", "accepted", "type")


def test_a_fix_is_kept_once_as_it_was_signed_first(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'k.db'}", store.METADATA)
    rules = FixRules.model_validate({"source": "crm", "steps": [{"set": {"a": None}}]})
    fix = store.save(database, rules, store.Signed("ann", "first", AT))
    assert store.save(database, rules, store.Signed("bob", "second", AT)) == fix
    (saved,) = store.saved(database)
    assert (saved.id, saved.signed) == (fix.id, store.Signed("ann", "first", AT))
    assert store.load(database, fix.id).fix() == fix
    with pytest.raises(store.UnknownFix, match="there is no fix nope"):
        store.load(database, "nope")
    store.note_revealed(database, "ann", {"source": "crm"}, 3, AT)
    assert store.revealed(database) == ((AT, "ann", {"source": "crm"}, 3),)
    database.dispose()


def test_a_change_event_that_is_mended_is_the_row_that_it_speaks_of() -> None:
    form, columns = Form("debezium"), ("id", "__deleted")
    line = json.dumps({"line": '{"op": "c", "after": {"id": 1.50}}'})
    assert again(form, columns, "f", "json", line).values == ("1.50", "false")
    assert again(form, columns, "f", "change", json.dumps({"line": '{"op": "t"}'})).fault == "change"
    kept = json.dumps({"id": "7", "__deleted": "true"})
    assert again(form, columns, "f", "deletion", kept).values == ("7", "true")
