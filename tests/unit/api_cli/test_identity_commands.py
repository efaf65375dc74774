"""The commands of identity as somebody types them, on a small lake: what they print, keep and leave with."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from registered import register
from typer.testing import CliRunner

from api.cli.main import app
from identity.config import IdentityConfig, load_identity
from identity.matching import scoring
from identity.matching.comparisons import COMPARISONS
from identity.modelling import training
from identity.stewardship import store
from infra.arrow import schema
from infra.tables import Table
from infra.workspace import Workspace

TEMPLATE = Path(__file__).parents[3] / "api" / "templates" / "workspace"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PEOPLE = {
    "a1": ("ann", "fisher", "1980-02-03", "ann@example.org"),
    "a2": ("ann", "fisher", "1980-02-03", "ann@example.org"),
    "b1": ("bob", "stone", "1991-07-08", "bob@example.org"),
}
Run = Callable[..., Any]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace whose lake holds three records of two people, of whom nobody has been put together."""
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATE, root)
    (root / ".env").write_text("KINDRED_TOKEN_KEY=" + "k" * 40 + "\n")
    opened = Workspace.open(root)
    _fill(opened.lake_path, load_identity(opened))
    return root


def _fill(lake: Path, config: IdentityConfig) -> None:
    from identity import tables
    from ingestion.tables import RECORDS

    rows: dict[Table, list[dict[str, Any]]] = {
        tables.RECORD_FEATURES: [
            {
                "record_key": key, "source": "crm", "key": f"C-{key}", "kind": "person", "known": True, "bare": False,
                "arrival": n, "given_name": given, "given_forms": [given], "given_known": True, "family_name": family,
                "birth_date": born, "emails": [email], "phones": [],
                "identifiers": [{"type": "email", "value": email, "token": f"1:{email}"}],
            }
            for n, (key, (given, family, born, email)) in enumerate(PEOPLE.items())
        ],
        tables.MEMBERSHIP: [
            {"record_key": key, "profile_id": key, "component": "", "known": True, "since_batch": 1} for key in PEOPLE
        ],
        tables.PROFILE_INDEX: [
            {"profile_id": key, "anchor": key, "size": 1, "status": "live", "density": 1.0, "negative_share": 0.0,
             "births": 1, "forenames": 1, "phones": 0} for key in PEOPLE
        ],
        tables.EDGES: [
            {"left_key": "a1", "right_key": "a2", "weight_micro": 900_000, "conflict_micro": 0, "kind": "both",
             "reasons": [{"comparison": "email", "level": "shared", "weight_micro": 900_000}], "state": "suppressed",
             "why": "below_threshold"}
        ],
        RECORDS: [
            {"record_key": key, "attributes": [("given_name", said[0])], "observed_at": NOW}
            for key, said in PEOPLE.items()
        ],
    }  # fmt: skip
    connection = scoring.connect()
    for table, held in rows.items():
        arrow = pa.Table.from_pylist(held, schema=schema(table))
        write_deltalake(str(lake / table.name), arrow)
        if table is tables.RECORD_FEATURES:
            scoring.load_features(connection, arrow.to_reader())
    model = training.declared(connection, config)
    assert {c.name for c in model.comparisons} <= set(COMPARISONS)
    register(lake, model)
    write_deltalake(str(lake / "tf_snapshot"), schema(tables.TF_SNAPSHOT).empty_table())


@pytest.fixture
def kindred(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    # the commands take the folder that somebody stands in
    monkeypatch.chdir(workspace)

    def run(*words: str, typed: str = "") -> Any:
        return CliRunner().invoke(app, list(words), input=typed)

    return run


def test_plan_prints_what_would_change_and_leaves_with_four_above_what_is_allowed(kindred: Run) -> None:
    told = json.loads(kindred("plan", "--json").stdout)
    assert (told["merges"], told["united"], told["changed_ids"], told["audiences"]) == (1, 2, 1, {})
    assert "1 profiles would unite 2 of today's" in kindred("plan").stdout
    assert kindred("plan", "--at-most", "0").exit_code == 4
    assert kindred("plan", "--at-most", "1").exit_code == 0
    assert json.loads(kindred("plan", "--set", "thresholds.merge=60", "--json").stdout)["merges"] == 0
    assert kindred("plan", "--set", "thresholds.marge=60").exit_code == 2
    assert kindred("plan", "--set", "merge").exit_code == 2
    assert kindred("plan", "--identity", "elsewhere.yaml").exit_code == 2


def test_plan_reads_another_file(kindred: Run, workspace: Path) -> None:
    text = (workspace / "identity.yaml").read_text(encoding="utf-8").replace("merge: 1.0 ", "merge: 60 ")
    (workspace / "other.yaml").write_text(text, encoding="utf-8")
    assert json.loads(kindred("plan", "--identity", "other.yaml", "--json").stdout)["merges"] == 0


def test_a_question_is_found_listed_and_decided(kindred: Run, workspace: Path) -> None:
    assert kindred("review", "refresh").exit_code == 0
    [task] = json.loads(kindred("review", "list", "--json").stdout)
    assert (task["kind"], task["left"], task["right"], task["bits"]) == ("borderline", "a1", "a2", 0.9)
    assert task["id"] in kindred("review", "list").stdout
    assert kindred("review", "list", "--kind", "strange").exit_code == 2
    assert kindred("review", "decide", "0" * 16, "same", "--reason", "x").exit_code == 3
    assert kindred("review", "decide", task["id"], "perhaps", "--reason", "x").exit_code == 2
    assert kindred("review", "decide", task["id"], "same", "--reason", "x", "--until", "2027-01-01").exit_code == 2
    assert kindred("review", "decide", task["id"], "same", "--reason", "one signature").exit_code == 0
    assert json.loads(kindred("review", "list", "--json").stdout) == []
    from infra.database import open_database

    engine = open_database(Workspace.open(workspace), store.METADATA)
    [stored] = store.standing(engine, datetime.now(UTC))
    engine.dispose()
    assert (stored.constraint.kind, stored.constraint.reason) == ("must_link", "one signature")


def test_quality_draws_judges_and_writes_labels(kindred: Run, workspace: Path) -> None:
    said = json.loads(kindred("quality", "--json").stdout)
    assert said["clerical"] is None
    assert any(sign["name"].startswith("values of email") and sign["count"] == 1 for sign in said["signs"])
    assert "no clerk has judged" in kindred("quality").stdout
    assert kindred("quality", "--label").exit_code == 3
    assert "1 pairs drawn" in kindred("quality", "--sample", "10").stdout
    from identity.quality import clerks
    from identity.quality.clerks import Answered
    from infra.database import open_database

    engine = open_database(Workspace.open(workspace), store.METADATA)
    [pair] = clerks.sample(engine)
    clerks.answer(engine, Answered(pair.id, True, "ann", NOW))
    engine.dispose()
    assert "1 of 1 judged are one person" in kindred("quality").stdout
    assert kindred("quality", "--labels-to", "labels.csv").exit_code == 0
    assert (workspace / "labels.csv").read_text().splitlines() == [
        "source_a,key_a,source_b,key_b,same",
        "crm,C-a1,crm,C-a2,true",
    ]
    assert kindred("plan", "--train", "--labels", "labels.csv", "--json").exit_code == 0
