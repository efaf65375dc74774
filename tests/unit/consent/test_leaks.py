"""The linter sees what it must: every planted value, in every kind of file, and every broken rule of table hygiene."""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from consent import leaks
from consent.leaks import lint
from consent.residue.kinds import DECODERS
from consent.residue.needles import Needles
from infra.errors import Broken
from infra.tables import PERSONAL, Table

ANN = "Ann.O'Hara@example.org"


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    email: Annotated[str, PERSONAL]


PEOPLE = Table("people", _Row, keys=("id",))
# delta-rs writes no in-commit timestamps; the other properties are those that the lake sets.
HYGIENE = {k: v for k, v in PEOPLE.properties().items() if k != "delta.enableInCommitTimestamps"}
ROWS = pa.table({"id": ["1"], "email": [ANN]})


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake as it should be: statistics on columns without people only."""
    write_deltalake(tmp_path / "people", ROWS, configuration=HYGIENE)
    return tmp_path


def found(lake: Path, *needles: str) -> list[tuple[str, str]]:
    report = lint(lake, [PEOPLE], needles or (ANN,))
    assert not report.clean or not report.findings
    assert all(ANN not in line and quote(ANN) not in line for line in report.lines())
    return sorted({(f.where, f.problem) for f in report.findings})


def actions(lake: Path, **action: Any) -> None:
    log = lake / "people" / "_delta_log" / "00000000000000000001.json"
    log.write_text(json.dumps(action), encoding="utf-8")


def test_a_clean_lake_is_clean(lake: Path) -> None:
    report = lint(lake, [PEOPLE], [ANN, "ann"])
    assert report.clean
    assert (report.files, report.too_short) == (2, 1)
    assert report.bytes > 0
    assert list(report.lines()) == [f"leak linter: 2 files, {report.bytes:,} bytes, 0 findings"]


def test_a_default_table_is_caught(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "people", ROWS)
    problems = found(tmp_path)
    assert ("stats.minValues", "a value of the personal column email") in problems
    assert ("stats.maxValues", "a value of the personal column email") in problems
    assert ("text", "holds a person's identifier (raw)") in problems
    assert any("dataSkippingStatsColumns is not set" in problem for _, problem in problems)


def test_a_default_checkpoint_is_caught(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "people", ROWS)
    DeltaTable(tmp_path / "people").create_checkpoint()
    (tmp_path / "people" / "_delta_log" / "00000000000000000000.json").unlink()
    problems = found(tmp_path)
    assert ("column add.stats, dictionary", "holds a person's identifier (raw)") in problems
    assert ("stats.minValues", "a value of the personal column email") in problems


def test_a_partition_by_a_person_is_caught(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "people", ROWS, partition_by=["email"], configuration=HYGIENE)
    problems = found(tmp_path)
    assert ("path", "holds a person's identifier (raw)") in problems
    assert ("path", "partitioned by the personal column email") in problems
    assert ("metaData", "partitioned by the personal column email") in problems
    assert ("partitionValues", "a value of the personal column email") in problems


def test_a_checksum_file_is_caught_though_it_says_nothing(lake: Path) -> None:
    log = lake / "people" / "_delta_log"
    (log / "00000000000000000000.crc").write_text("{}", encoding="utf-8")
    (log / ".00000000000000000000.json.crc").write_bytes(b"crc\0\0\0\0")
    assert found(lake) == [("file", "version checksum files repeat every statistic")]


def test_statistics_and_clustering_by_declaration_are_caught(lake: Path) -> None:
    actions(lake, metaData={"configuration": {"delta.dataSkippingStatsColumns": "id, `email`.part"}})
    assert found(lake) == [("metaData", "statistics are kept of the personal column email")]
    domain = {"domain": "delta.clustering", "configuration": json.dumps({"clusteringColumns": [["email"]]})}
    actions(lake, domainMetadata=domain)
    assert found(lake) == [("domainMetadata", "clustered by the personal column email")]
    actions(lake, domainMetadata={"domain": "delta.rowTracking", "configuration": "{}"})
    assert found(lake) == []


def test_an_erasure_that_writes_the_erased_value_into_the_log_is_caught(lake: Path) -> None:
    actions(lake, commitInfo={"operationParameters": {"predicate": "[\"(email#1 = 'x@example.org')\"]"}})
    assert found(lake) == [
        ("commitInfo.predicate", "a literal beside a personal column: erase by joining a work table")
    ]
    for value in ("(email#1 = x@example.org)", "(x = email#1)", "StartsWith(email#12, xy)", "(email#1 IN (x,y))"):
        actions(lake, commitInfo={"operationParameters": {"predicate": json.dumps([value])}})
        assert [where for where, _ in found(lake)] == ["commitInfo.predicate"], value
    for value in ("(target.email = source.email)", "((held.email#1 = gone.email#22) AND NOT isnull(held.email#1))"):
        actions(lake, commitInfo={"operationParameters": {"predicate": value, "mode": "Append"}})
        assert found(lake) == []


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [
        ("raw", ANN.upper()),
        ("raw", ANN.casefold()),
        ("url", quote(ANN, safe="")),
        ("base64", base64.b64encode(ANN.encode()).decode()),
        ("sha256", hashlib.sha256(ANN.casefold().encode()).hexdigest()),
        ("md5", hashlib.md5(ANN.casefold().encode(), usedforsecurity=False).hexdigest()),
    ],
)
def test_every_common_spelling_is_found(lake: Path, kind: str, spelled: str) -> None:
    actions(lake, txn={"appId": spelled})
    problems = [problem for _, problem in found(lake)]
    # A value that is percent-encoded is found once more when it is decoded.
    assert f"holds a person's identifier ({kind})" in problems


def test_phones_are_found_without_their_punctuation(lake: Path) -> None:
    actions(lake, txn={"appId": "x12125550100x"})
    assert found(lake, "+1 (212) 555-0100") == [("text", "holds a person's identifier (digits)")]


def test_many_needles_are_found_in_one_pass(lake: Path) -> None:
    crowd = [f"person{n}@example.org" for n in range(100)]
    actions(lake, txn={"appId": "person21@example.org"})
    assert found(lake, *crowd)
    actions(lake, txn={"appId": "person@example.org"})
    assert found(lake, *crowd) == []


def test_short_values_are_counted_and_not_looked_for() -> None:
    needles = Needles.of(["ann", "123456789", "1234567890"])
    assert needles.too_short == 2
    assert needles.hit(b"size: 1234567890") == "raw"


def test_a_file_without_a_decoder_is_named_and_still_searched(lake: Path) -> None:
    log = lake / "people" / "_delta_log"
    (log / "notes.bin").write_bytes(b"\0" + ANN.encode())
    report = lint(lake, [PEOPLE], [ANN])
    assert report.unscanned == ["people/_delta_log/notes.bin: no decoder for this kind of file"]
    assert [f.where for f in report.findings] == ["bytes"]
    assert not report.clean
    assert "not scanned: people/_delta_log/notes.bin: no decoder for this kind of file" in list(report.lines())


def test_a_table_that_nobody_declared_is_a_finding(lake: Path) -> None:
    write_deltalake(lake / "stray", ROWS)
    report = lint(lake, [PEOPLE], [])
    assert [(f.table, f.problem) for f in report.findings] == [
        ("stray", "not declared: its personal columns are unknown")
    ]


def test_compressed_checkpoints_do_not_hide_a_value(lake: Path) -> None:
    log = lake / "people" / "_delta_log"
    crowd = [json.dumps({"minValues": {"id": f"{n}-{n * 7919}@example.org"}}) for n in range(500)]
    rows = pa.table({"add": [{"stats": stats} for stats in [*crowd, json.dumps({"minValues": {"id": ANN}})]]})
    file = log / "00000000000000000001.checkpoint.parquet"
    pq.write_table(rows, file, compression="gzip", use_dictionary=False, write_statistics=False)
    assert ANN.encode() not in file.read_bytes()
    assert ("column add.stats", "holds a person's identifier (raw)") in found(lake)


def test_a_blind_linter_breaks_and_never_reports_clean(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_rows", lambda _: [])
    with pytest.raises(Broken, match=r"planted value in 0\.checkpoint\.parquet"):
        lint(lake, [PEOPLE], [ANN])


def test_a_blind_decoder_breaks_it_too(lake: Path) -> None:
    for name in ("parquet", "text"):
        blind = [replace(one, contents=lambda _: iter(())) if one.name == name else one for one in DECODERS]
        with pytest.raises(Broken, match=f"the decoder {name} does not see its canary"):
            lint(lake, [PEOPLE], [ANN], decoders=blind)


def test_what_passed_is_not_read_again_and_what_leaks_is(lake: Path) -> None:
    first = lint(lake, [PEOPLE], [ANN])
    assert first.passed == {"people/_delta_log/00000000000000000000.json"}
    assert lint(lake, [PEOPLE], [ANN], passed=first.passed).files == first.files - 1
    actions(lake, txn={"appId": ANN})
    second = lint(lake, [PEOPLE], [ANN], passed=first.passed)
    assert second.passed == first.passed
    assert len(lint(lake, [PEOPLE], [ANN], passed=second.passed).findings) == len(second.findings) == 1
