"""Rules of retention as a workspace writes them, and the record that is signed of what they did."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.cli.retained import STORES, checked
from consent.config import LABELS_FILE, LabelsConfig
from consent.model import Policy
from consent.processing import Controller, record_of_processing
from consent.residue.model import Hit, PlaceReport, ScanReport
from consent.retention.config import FILE, check_retention, load_retention
from consent.retention.model import Period, Rule
from consent.retention.record import RecordFacts, TableFacts, check_record, retention_record, summary
from consent.retention.rule import told
from infra.errors import ConfigurationError
from infra.ids import Purpose
from infra.signing import Signer
from infra.workspace import Workspace

AT = datetime(2026, 11, 28, 2, tzinfo=UTC)
SIGNER = Signer.of(b"k" * 32)
PURPOSES = {Purpose("service"): None, Purpose("analytics"): None, Purpose("identity_resolution"): None}
RULE = Rule(table="events", keep=Period.of("1y"), counted_from="occurred", because="a test")


def written(workspace: Workspace, *rules: str) -> Workspace:
    (workspace.root / FILE).write_text("# how long\nrules:\n" + "".join(f"- {{{rule}}}\n" for rule in rules))
    return workspace


def test_without_a_file_and_with_the_template_nothing_is_deleted(workspace: Workspace) -> None:
    assert load_retention(workspace) == ()
    (workspace.root / FILE).unlink(missing_ok=True)
    assert load_retention(workspace) == ()


def test_every_rule_of_the_template_can_be_carried_out(workspace: Workspace) -> None:
    file = workspace.root / FILE
    lines = [line.removeprefix("# ") if line.startswith("# - {") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join("rules:" if line == "rules: []" else line for line in lines))
    rules = checked(workspace)
    assert len(rules) == 7
    assert {rule.table for rule in rules} < {store.table for store in STORES}
    assert rules[0].line == 1 + lines.index(next(line for line in lines if line.startswith("- {")))


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("table: events, keep: 2w, counted_from: occurred, because: why", "730d or 3y"),
        ("table: events, keep: 2d, counted_from: birth, because: why", "'occurred', 'received' or 'last_activity'"),
        ("table: events, keep: 2d, counted_from: occurred", "required key is missing"),
        ("table: events, keep: 2d, counted_from: occurred, because: why, what: 1", "unknown key"),
        ("table: people, keep: 2d, counted_from: occurred, because: why", "no table that retention can shorten"),
        ("table: verdicts, keep: 2d, counted_from: occurred, because: why", "have no such moment; use received"),
        ("table: events, source: none, keep: 2d, counted_from: occurred, because: why", "not a declared source"),
        ("table: records, type: page, keep: 2d, counted_from: occurred, because: why", "have no type"),
        ("table: events, purpose: service, keep: 2d, counted_from: occurred, because: why", "only records"),
        ("table: records, purpose: fun, keep: 2d, counted_from: occurred, because: why", "not a purpose of the policy"),
        ("table: records, purpose: identity_resolution, keep: 2d, counted_from: occurred, because: why", "serves"),
        ("table: read_audit, source: crm, keep: 2d, counted_from: occurred, because: why", "are of no source"),
    ],
)
def test_a_rule_that_cannot_be_is_told_with_its_line(workspace: Workspace, said: str, where: str) -> None:
    with pytest.raises(ConfigurationError, match=where) as found:
        checked(written(workspace, "table: records, keep: 3y, counted_from: received, because: why", said))
    assert (found.value.file, found.value.line) == (FILE, 4)


def test_two_rules_for_the_same_rows_are_refused(workspace: Workspace) -> None:
    rule = "table: events, keep: {}d, counted_from: occurred, because: why"
    with pytest.raises(ConfigurationError, match="same rows as line 3"):
        load_retention(written(workspace, rule.format(1), rule.format(2)))
    with pytest.raises(ConfigurationError, match="only records"):
        check_retention([replace(RULE, purpose=Purpose("service"))], STORES, (), PURPOSES)


def test_rules_are_told_in_words_the_broadest_first() -> None:
    rules = [
        replace(RULE, source="web", keep=Period.of("1d")),
        replace(RULE, keep=Period.of("2y"), counted_from="last_activity"),
        replace(RULE, table="records", purpose=Purpose("analytics")),
    ]
    assert told(rules, "events") == (
        "2 years after the person's last activity: a test; of web: 1 day after it happened: a test"
    )
    assert told(rules, "records") is None
    assert told(rules, "records", Purpose("analytics")) == "1 year after it happened: a test"


def test_the_record_of_processing_tells_the_rules_and_only_without_any_the_words(
    policy: Policy, workspace: Workspace
) -> None:
    labels = workspace.load(LABELS_FILE, LabelsConfig)
    said = Controller.model_validate({"name": "Shop", "retention": {"service": "for ever", "analytics": "a year"}})
    rules = [replace(RULE, table="records", purpose=Purpose("analytics"))]
    record = record_of_processing(said, policy, labels, (), (), rules)
    kept = {one.purpose: one.retention for one in record.activities}
    assert kept["analytics"] == "records 1 year after it happened: a test"
    assert kept["service"] == "for ever"
    both = record_of_processing(said, policy, labels, (), (), [*rules, RULE])
    kept = {one.purpose: one.retention for one in both.activities}
    assert kept["service"] == "events 1 year after it happened: a test"
    assert kept["analytics"] == "records 1 year after it happened: a test; events 1 year after it happened: a test"


def facts(**more: Any) -> RecordFacts:
    table = TableFacts(table="events", rows=10, past=4, held=1, let_go=3, left=0)
    known = {
        "record_id": "r1", "controller": "self", "as_of": AT, "rules": (RULE,), "tables": (table,),
        "holds": ("h1: a lawsuit",), "search": None, "exclusions": (), "versions_until": AT + timedelta(days=7),
        "note": "n1", "started_at": AT, "finished_at": AT, "tool_version": "0",
    }  # fmt: skip
    return RecordFacts(**{**known, **more})


def test_a_record_is_checked_with_the_public_key_alone() -> None:
    document = retention_record(facts(), SIGNER)
    assert check_record(document, SIGNER.public) == check_record(document, None) == ()
    assert any("3 went, 1 held, 0 left" in line for line in summary(document))
    for name in document:
        assert check_record({**document, name: "other"}, SIGNER.public) != ()
        assert check_record({key: value for key, value in document.items() if key != name}, SIGNER.public) != ()
    assert check_record(document, Signer.of(b"o" * 32).public) != ()


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"tables": (TableFacts(table="events", rows=9, past=4, held=0, let_go=4, left=1),)}, "still has keys"),
        ({"tables": (TableFacts(table="events", rows=9, past=4, held=0, let_go=3, left=0),)}, "do not add up"),
        ({"holds": ()}, "no hold says why"),
        ({"finished_at": AT - timedelta(days=1)}, "before the beginning"),
    ],
)
def test_a_signed_record_that_makes_no_sense_does_not_hold(more: dict[str, Any], wrong: str) -> None:
    faults = check_record(retention_record(facts(**more), SIGNER), SIGNER.public)
    assert [wrong in one.wrong for one in faults] == [True]


def test_what_was_found_is_told_and_does_not_hold() -> None:
    hit = Hit(store="lake.events", file="part-0", where="column key", spelling="text")
    place = PlaceReport(
        store="lake.events", kind="delta", files=1, bytes=9, decoders=("parquet",), hits=(hit,), unscanned=(),
        canary_found=True,
    )  # fmt: skip
    report = ScanReport(places=(place,), needles=3, too_short=0, seconds=0.1)
    (fault,) = check_record(retention_record(facts(search=report), SIGNER), SIGNER.public)
    assert "still holds something" in fault.wrong


def test_the_commands_file_verifies(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from api.cli.main import app
    from consent.residue.certificate import written as bytes_of

    file = tmp_path / "record.json"
    file.write_bytes(bytes_of(retention_record(facts(), SIGNER)))
    good = CliRunner().invoke(app, ["erasure", "verify", str(file), "--public-key", SIGNER.public.hex()])
    assert (good.exit_code, "holds: signed with the controller's key" in good.output) == (0, True)
    other = CliRunner().invoke(app, ["erasure", "verify", str(file), "--public-key", (b"o" * 32).hex()])
    assert other.exit_code == 7


def test_no_moment_that_is_still_to_come(workspace: Workspace) -> None:
    from typer.testing import CliRunner

    from api.cli.main import app

    found = CliRunner().invoke(app, ["maintain", "-w", str(workspace.root), "--at", "2999-01-01T00:00:00+00:00"])
    assert found.exit_code == 4
    naive = CliRunner().invoke(app, ["maintain", "-w", str(workspace.root), "--at", "2020-01-01T00:00:00"])
    assert naive.exit_code == 2
    both = CliRunner().invoke(app, ["maintain", "-w", str(workspace.root), "--dry-run", "--at-once"])
    assert both.exit_code == 2
