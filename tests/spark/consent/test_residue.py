"""What Spark leaves behind, measured: a default table keeps an erased person, a declared one does not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from consent.leaks import lint
from consent.residue.model import Place, ScanReport
from consent.residue.needles import Needles
from consent.residue.scan import scan
from infra.lake import Lake
from infra.tables import PERSONAL, Table

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

ANN = "zz.ann.of.the.lake@example.org"
CHECKSUMS = "spark.databricks.delta.writeChecksumFile.enabled"
RETENTION = "spark.databricks.delta.retentionDurationCheck.enabled"


@dataclass(frozen=True, slots=True)
class _Row:
    subject_id: str
    v: int
    email: Annotated[str, PERSONAL]


PEOPLE = Table("people", _Row, keys=("subject_id",), merged=True)


@pytest.fixture
def unguarded(spark: Any) -> Iterator[Any]:
    """The session as Delta ships it, for a while."""
    before = {name: spark.conf.get(name, None) for name in (CHECKSUMS, RETENTION)}
    spark.conf.set(CHECKSUMS, "true")
    spark.conf.set(RETENTION, "false")
    yield spark
    for name, value in before.items():
        spark.conf.unset(name) if value is None else spark.conf.set(name, value)


def crowd(spark: Any) -> Any:
    rows = [(f"s{n}", n, f"somebody.{n}@example.net") for n in range(3_000)] + [("s-ann", 7, ANN)]
    return spark.createDataFrame(rows, "subject_id string, v bigint, email string")


def searched(lake: Path) -> ScanReport:
    report = scan([Place(store="lake.people", kind="delta", root=lake / "people")], Needles.of([ANN]))
    assert report.places[0].unscanned == ()
    return report


def kinds(report: ScanReport) -> Counter[str]:
    """Return how many files of which kind hold the person."""
    return Counter(kind(name) for name in {hit.file for hit in report.hits})


def kind(name: str) -> str:
    path = Path(name)
    if "_change_data" in path.parts:
        return "change feed"
    if "_delta_log" not in path.parts:
        return "data"
    return {".json": "json", ".crc": "crc", ".parquet": "checkpoint"}[path.suffix]


def test_a_default_table_keeps_the_person_in_its_log(unguarded: Any, tmp_path: Path) -> None:
    spark, path = unguarded, str(tmp_path / "people")
    spark.sql(
        f"create table delta.`{path}` (subject_id string, v bigint, email string) using delta tblproperties "
        "('delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true', "
        "'delta.checkpointInterval' = '5')"
    )
    rows = crowd(spark)
    for part in range(6):
        rows.where(f"v % 6 = {part}").coalesce(1).write.format("delta").mode("append").save(path)
    spark.sql(f"update delta.`{path}` set v = v + 1 where subject_id = 's-ann'")
    before = kinds(searched(tmp_path))
    assert before["data"] >= 1
    assert before["change feed"] >= 1
    spark.sql(f"delete from delta.`{path}` where email = '{ANN}'")
    spark.sql(f"reorg table delta.`{path}` apply (purge)")
    spark.sql(f"vacuum delta.`{path}` retain 0 hours")
    after = kinds(searched(tmp_path))
    assert set(after) == {"json", "crc", "checkpoint"}, "the files are gone, and the log tells of them"
    assert after["crc"] > 1
    leaks = {(finding.where, finding.problem) for finding in lint(tmp_path, [PEOPLE], [ANN]).findings}
    assert ("commitInfo.predicate", "a literal beside a personal column: erase by joining a work table") in leaks
    assert ("file", "version checksum files repeat every statistic") in leaks


def test_a_declared_table_is_clean_after_its_own_cycle(spark: Any, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path, 1, {})
    lake.ensure([PEOPLE])
    rows = crowd(spark)
    lake.append(PEOPLE, rows)
    assert set(kinds(searched(tmp_path))) == {"data"}, "its log tells nobody, ever"
    gone = spark.createDataFrame([("s-ann",)], "subject_id string")
    Lake(spark, tmp_path, 2, {}).replace(PEOPLE, lake.empty(PEOPLE), gone, ["subject_id"])
    path = str(tmp_path / "people")
    assert searched(tmp_path).hits, "a deletion vector only marks the row"
    spark.sql(f"reorg table delta.`{path}` apply (purge)")
    spark.conf.set(RETENTION, "false")
    try:
        spark.sql(f"vacuum delta.`{path}` retain 0 hours")
    finally:
        spark.conf.unset(RETENTION)
    report = searched(tmp_path)
    assert report.clean
    assert lint(tmp_path, [PEOPLE], [ANN]).clean


@pytest.mark.parametrize("provider", ["HDFSBackedStateStoreProvider", "RocksDBStateStoreProvider"])
@pytest.mark.parametrize("codec", ["lz4", "zstd", "snappy"])
def test_the_state_of_a_stream_is_opened(spark: Any, tmp_path: Path, provider: str, codec: str) -> None:
    changed = {
        "spark.sql.streaming.stateStore.providerClass": f"org.apache.spark.sql.execution.streaming.state.{provider}",
        "spark.sql.streaming.stateStore.compression.codec": codec,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    }
    for name, value in changed.items():
        spark.conf.set(name, value)
    try:
        (tmp_path / "in").mkdir()
        for number in range(3):
            lines = "\n".join(f'{{"email": "{mail}"}}' for mail in ("zz.ann.of!", "x@example.net", ANN))
            (tmp_path / "in" / f"{number}.json").write_text(lines, encoding="utf-8")
            stream = spark.readStream.schema("email string").json(str(tmp_path / "in")).dropDuplicates(["email"])
            query = (
                stream.writeStream.format("parquet").option("checkpointLocation", str(tmp_path / "checkpoint"))
                .trigger(availableNow=True).start(str(tmp_path / "out"))
            )  # fmt: skip
            query.awaitTermination()
    finally:
        for name in changed:
            spark.conf.unset(name)
    place = Place(store="stream", kind="state", root=tmp_path / "checkpoint")
    report = scan([place], Needles.of([ANN]))
    assert any("/state/" in f"/{hit.file}" for hit in report.hits), [hit.file for hit in report.hits]
    assert report.places[0].unscanned == ()
