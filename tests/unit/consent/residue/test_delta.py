"""A Delta table as it comes keeps an erased person in its log; the declared ones do not. Without a JVM, by delta-rs.

`tests/spark/consent/test_residue.py` measures the same at night with Spark.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from consent.leaks import lint
from consent.residue.certificate import CLEAN, CertificateFacts, certificate, check
from consent.residue.errors import NotCertifiable
from consent.residue.model import Place, ScanReport
from consent.residue.needles import Needles
from consent.residue.scan import scan
from infra.signing import Signer
from infra.tables import PERSONAL, Table

ANN = "zz.ann.of.the.lake@example.org"  # the greatest of all values: what statistics keep
AT = datetime(2026, 11, 27, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    email: Annotated[str, PERSONAL]


PEOPLE = Table("people", _Row, keys=("id",))
HYGIENE = {k: v for k, v in PEOPLE.properties().items() if k != "delta.enableInCommitTimestamps"}


def filled(lake: Path, configuration: dict[str, str] | None) -> DeltaTable:
    crowd = [(str(n), f"somebody.{n}@example.net") for n in range(400)] + [("subject-7", ANN)]
    for part in (crowd[:200], crowd[200:]):
        rows = pa.table({"id": [one for one, _ in part], "email": [mail for _, mail in part]})
        write_deltalake(lake / "people", rows, mode="append", configuration=configuration)
    return DeltaTable(lake / "people")


def searched(lake: Path) -> ScanReport:
    return scan([Place(store="lake.people", kind="delta", root=lake / "people")], Needles.of([ANN]))


def expired(table: DeltaTable) -> None:
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    table.create_checkpoint()


def facts(before: ScanReport, after: ScanReport) -> CertificateFacts:
    return CertificateFacts(
        certificate_id="c-1", request_id="r-1", controller="Example Shop", identifiers=(f"email:{ANN}",),
        nonce=bytes(32), before=before, after=after, exclusions=(), recipients=(), keys_destroyed=(), retained=(),
        suppression_versions=(1,), started_at=AT, finished_at=AT, tool_version="0.1.0",
    )  # fmt: skip


def test_a_default_table_is_found_leaking_by_linter_and_verifier(tmp_path: Path) -> None:
    table = filled(tmp_path, None)
    before = searched(tmp_path)
    assert any(hit.where.startswith("column email") for hit in before.hits)
    table.delete(f"email = '{ANN}'")
    expired(table)
    after = searched(tmp_path)
    left = {(Path(hit.file).suffix, hit.where.partition(",")[0]) for hit in after.hits}
    assert (".json", "text") in left, "the statistics of the commit, and the erasure's own predicate"
    assert (".parquet", "column add.stats") not in left
    assert all(hit.file.startswith("_delta_log/") for hit in after.hits), "the data files themselves are clean"
    assert after.places[0].unscanned == ()
    problems = {finding.problem for finding in lint(tmp_path, [PEOPLE], [ANN]).findings}
    assert problems >= {
        "holds a person's identifier (raw)",
        "a value of the personal column email",
        "a literal beside a personal column: erase by joining a work table",
        "delta.dataSkippingStatsColumns is not set: statistics would be kept of every column",
    }
    with pytest.raises(NotCertifiable, match=r"lake\.people: [1-9] places still hold something"):
        certificate(facts(before, after), Signer.of(bytes(32)))


def test_a_checkpoint_of_a_default_table_is_found_leaking(tmp_path: Path) -> None:
    filled(tmp_path, None).create_checkpoint()
    hits = {(hit.file, hit.where.partition(",")[0]) for hit in searched(tmp_path).hits}
    assert ("_delta_log/00000000000000000001.checkpoint.parquet", "column add.stats") in hits


def test_a_declared_table_is_clean_after_its_own_cycle(tmp_path: Path) -> None:
    table = filled(tmp_path, HYGIENE)
    before = searched(tmp_path)
    assert {hit.file.partition("/")[0] == "_delta_log" for hit in before.hits} == {False}, "its log tells nobody, ever"
    gone = pa.table({"id": ["subject-7"]})
    merge = table.merge(gone, "held.id = gone.id", source_alias="gone", target_alias="held")
    merge.when_matched_delete().execute()
    assert searched(tmp_path).hits, "an older version keeps the file until it expires"
    expired(table)
    after = searched(tmp_path)
    assert after.clean
    assert lint(tmp_path, [PEOPLE], [ANN]).clean
    document = certificate(facts(before, after), Signer.of(bytes(32)))
    assert document["outcome"] == CLEAN
    assert check(document, Signer.of(bytes(32)).public, bytes(32), [f"email:{ANN}"]) == ()


def test_a_row_that_comes_back_is_found(tmp_path: Path) -> None:
    table = filled(tmp_path, HYGIENE)
    table.delete("id = 'subject-7'", commit_properties=CommitProperties(custom_metadata={"why": "erasure"}))
    expired(table)
    assert searched(tmp_path).clean
    write_deltalake(tmp_path / "people", pa.table({"id": ["n"], "email": [ANN.upper()]}), mode="append")
    assert {hit.spelling for hit in searched(tmp_path).hits} == {"raw"}
