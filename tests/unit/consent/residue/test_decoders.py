"""Each decoder sees what other libraries wrote, hidden as deep as they hide it; a blind one voids the scan."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import lz4.frame
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import snappy
import zstandard
from kafka.record.memory_records import MemoryRecordsBuilder
from rocksdict import BlockBasedOptions, DBCompressionType, Options, Rdict

from consent.residue.kinds import DECODERS, EXPECTED
from consent.residue.model import Place, ScanReport
from consent.residue.needles import CANARY, Needles
from consent.residue.scan import scan
from consent.residue.source import Decoder
from infra.errors import Broken

ANN = "ann.of.the.decoders@example.org"
NEEDLES = Needles.of([ANN])
ROWS = [f"somebody.{number}.of.many@example.net" for number in range(300)] + [
    ANN,
    "ann.of.the!",
    "!decoders@example.org",
]


def scanned(root: Path, kind: Any = "files", needles: Needles = NEEDLES) -> ScanReport:
    return scan([Place(store="s", kind=kind, root=root)], needles)


def spots(root: Path, kind: Any = "files", needles: Needles = NEEDLES) -> set[str]:
    report = scanned(root, kind, needles)
    assert not report.places[0].unscanned
    return {hit.where for hit in report.hits}


def hidden(path: Path) -> None:
    """Hold that a search of the bytes alone would say clean."""
    assert not NEEDLES.found(path.read_bytes())


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip", "lz4", "brotli"])
@pytest.mark.parametrize(
    ("column", "options"),
    [
        ("plain", {"use_dictionary": False}),
        ("dictionary", {}),
        ("nested", {"use_dictionary": False, "data_page_version": "2.0"}),
        ("plain", {"use_dictionary": False, "column_encoding": {"plain": "DELTA_BYTE_ARRAY"}}),
        ("plain", {"use_dictionary": False, "column_encoding": {"plain": "DELTA_LENGTH_BYTE_ARRAY"}}),
    ],
)
def test_parquet(tmp_path: Path, codec: str, column: str, options: dict[str, Any]) -> None:
    nested = [{"seen": [{"at": None}, {"at": one}]} for one in ROWS]
    values = sorted(ROWS) if "column_encoding" in options else ROWS
    table = pa.table({column: nested if column == "nested" else values})
    pq.write_table(table, tmp_path / "p", compression=codec, write_statistics=False, store_schema=False, **options)
    where = {"nested": "column nested.seen.list.element.at", "dictionary": "column dictionary, dictionary"}
    assert where.get(column, "column plain") in spots(tmp_path, "delta")


def test_parquet_statistics_page_index_and_values_that_no_row_has(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"v": [ANN]}), tmp_path / "s", compression="zstd", use_dictionary=False, write_page_index=True
    )
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["somebody@example.org", ANN]))
    pq.write_table(pa.table({"v": unused}), tmp_path / "u", compression="gzip", write_statistics=False)
    hits = {(hit.file, hit.where) for hit in scanned(tmp_path).hits}
    assert hits >= {("s", "bytes"), ("s", "column v"), ("u", "column v, dictionary")}


def test_parquet_numbers(tmp_path: Path) -> None:
    numbers = pa.table({"phone": pa.array([*range(500), 12125550123], pa.int64())})
    needles = Needles.of(["+1 212 555 0123"])
    for encoding in ("PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"):
        told: dict[str, Any] = {
            "use_dictionary": False,
            "column_encoding": {"phone": encoding},
            "write_statistics": False,
        }
        pq.write_table(numbers, tmp_path / encoding, compression="zstd", **told)
    hits = {(hit.file, hit.spelling) for hit in scanned(tmp_path, needles=needles).hits}
    assert hits == {(name, "number") for name in ("PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT")}


def test_parquet_that_cannot_be_read_is_listed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": ROWS}), tmp_path / "p", compression="snappy", use_dictionary=False)
    whole = (tmp_path / "p").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-40])
    broken = bytearray(whole)
    broken[60:400] = bytes(340)
    (tmp_path / "spoilt").write_bytes(broken)
    report = scanned(tmp_path)
    assert not report.clean
    assert report.places[0].unscanned[0] == "cut: not the whole Parquet file that it began as"
    assert report.places[0].unscanned[1].startswith("spoilt: column v: ")
    assert ANN not in str(report)


def test_values_side_by_side_are_not_one(tmp_path: Path) -> None:
    table = pa.table({"v": ["ann.of.the.dec", "oders@example.org"] * 50})
    told: dict[str, Any] = {"use_dictionary": False, "column_encoding": {"v": "DELTA_BYTE_ARRAY"}}
    pq.write_table(table, tmp_path / "p", compression="gzip", write_statistics=False, **told)
    assert spots(tmp_path) == set()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "gz twice": lambda data: gzip.compress(data[:500]) + gzip.compress(data[500:]),
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
    "zst twice": lambda data: zstandard.compress(data[:500]) + zstandard.compress(data[500:]),
    "lz4": lz4.frame.compress,
    "sz": lambda data: bytes(snappy.StreamCompressor().compress(data)),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_text(tmp_path: Path, packer: str) -> None:
    (tmp_path / "people.csv").write_bytes(PACKERS[packer]("\n".join([ROWS[-2], ROWS[-1], *ROWS]).encode()))
    assert spots(tmp_path) >= {"people.csv: text"}


def test_packed_in_packed_in_an_archive(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"v": ROWS}), sink, compression="zstd")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/p.parquet.gz", gzip.compress(sink.getvalue()))
        archive.writestr(f"{ANN}.txt", "x")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "a.zip", "a.zip")
    inner = "deep/p.parquet.gz: deep/p.parquet: column v, dictionary"
    found = spots(tmp_path)
    assert found >= {inner, f"a.tar: a.zip: {inner}", "a member's name", "a.tar: a.zip: a member's name"}


def test_what_cannot_be_opened_is_listed_and_what_could_be_is_searched(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join(ROWS * 40).encode())
    (tmp_path / "cut.gz").write_bytes(packed[:-30])
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(300 * 2**20), 9))
    (tmp_path / "unknown").write_bytes(bytes(range(256)) + ANN.encode())
    report = scanned(tmp_path).places[0]
    assert [line.partition(": ")[0] for line in report.unscanned] == ["bomb.gz", "cut.gz", "unknown"]
    assert {(hit.file, hit.where) for hit in report.hits} == {("cut.gz", "cut: text"), ("unknown", "bytes")}


@pytest.mark.parametrize(
    ("codec", "magic"),
    [(c, m) for c in ("none", "gzip", "snappy", "lz4", "zstd") for m in (1, 2) if (c, m) != ("zstd", 1)],
)
def test_kafka(tmp_path: Path, codec: str, magic: int) -> None:
    number = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}[codec]
    segment = b""
    for batch in (ROWS[:100], [ROWS[-2], ROWS[-1], *ROWS[100:]]):
        told: dict[str, Any] = {} if magic < 2 else {"headers": []}
        records = MemoryRecordsBuilder(magic=magic, compression_type=number, batch_size=2**20)
        for at, row in enumerate(batch):
            records.append(timestamp=at, key=b"token", value=row.encode(), **told)
        records.close()
        segment += records.buffer()
    (tmp_path / "00000000000000000000.log").write_bytes(segment)
    (tmp_path / "00000000000000000000.timeindex").write_bytes(bytes(24))
    assert any("batch" in where or codec == "none" for where in spots(tmp_path, "kafka"))
    (tmp_path / "00000000000000000000.log").write_bytes(segment + segment[:-5])
    assert "no whole batch" in scanned(tmp_path, "kafka").places[0].unscanned[0]


@pytest.mark.parametrize("codec", ["none", "snappy", "lz4", "zstd", "zlib"])
@pytest.mark.parametrize("version", [2, 5, 6])
def test_rocksdb(tmp_path: Path, codec: str, version: int) -> None:
    options = Options(raw_mode=True)
    options.set_compression_type(getattr(DBCompressionType, codec)())
    blocks = BlockBasedOptions()
    blocks.set_format_version(version)
    options.set_block_based_table_factory(blocks)
    store = Rdict(str(tmp_path / "db"), options)
    for row in [*ROWS, *(f"{ANN[:18]}{number:04d}@example.net" for number in range(500))]:
        store[row.encode()] = b"1"
    store.flush()
    store.close()
    for table in (tmp_path / "db").glob("*.sst"):
        hidden(table)
        table.rename(tmp_path / table.name)
        assert {
            hit.where for hit in scan([Place(store="s", kind="state", root=tmp_path / table.name)], NEEDLES).hits
        } == {"records, keys"}


def test_sqlite_pages_that_are_free_and_the_log(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma secure_delete = off")
        database.execute("create table t (v text)")
        database.executemany("insert into t values (?)", [(row,) for row in ROWS])
        database.commit()
        database.execute("drop table t")
        database.commit()
    assert spots(path, "sqlite") == {"bytes"}
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("vacuum")
        database.execute("pragma wal_checkpoint(truncate)")
        assert spots(tmp_path, "sqlite") == set()
        database.execute("create table t (v text)")
        database.execute("insert into t values (?)", (ANN,))
        database.commit()
        assert {hit.file for hit in scanned(tmp_path, "sqlite").hits} == {"k.db-wal"}


def test_lmdb_pages_that_are_free(tmp_path: Path) -> None:
    environment = lmdb.open(str(tmp_path), map_size=2**22)
    for act in ("put", "delete"):
        with environment.begin(write=True) as transaction:
            if act == "put":
                transaction.put(b"k", b"x" * 4070 + ANN.encode() + b"y" * 9000)
            else:
                transaction.delete(b"k")
    environment.close()
    assert spots(tmp_path, "lmdb") == {"pages"}


def test_models_and_arrays(tmp_path: Path) -> None:
    (tmp_path / "m.pickle").write_bytes(pickle.dumps({"seen": {ANN: 1}}))
    np.savez_compressed(tmp_path / "m.npz", words=np.array([ANN, "x"]))
    with pa.ipc.new_file(tmp_path / "m.arrow", pa.schema([("v", pa.string())])) as writer:
        writer.write_table(pa.table({"v": ROWS}))
    hits = {(hit.file, hit.where, hit.spelling) for hit in scanned(tmp_path).hits}
    assert hits == {
        ("m.pickle", "bytes", "raw"),
        ("m.npz", "words.npy: numpy", "utf-32"),
        ("m.arrow", "bytes", "raw"),
        ("m.arrow", "column v", "raw"),
    }


def test_state_of_streams_in_the_framing_of_java(tmp_path: Path) -> None:
    import lz4.block

    row = len(ANN).to_bytes(4, "big") + bytes(8) + b"ann.of.the!!decoders@example.org!" + ANN.encode() + bytes(20)
    packed = lz4.block.compress(row, store_size=False)
    sizes = len(packed).to_bytes(4, "little") + len(row).to_bytes(4, "little")
    end = b"LZ4Block\x16" + bytes(12)
    (tmp_path / "7.delta").write_bytes(b"LZ4Block\x26" + sizes + bytes(4) + packed + end)
    (tmp_path / "8.delta").write_bytes(zstandard.compress(row))
    assert {(hit.file, hit.where) for hit in scanned(tmp_path, "state").hits} >= {
        ("7.delta", "7: bytes"),
        ("8.delta", "8.delta: bytes"),
    }


def blind(decoder: Decoder) -> tuple[Decoder, ...]:
    """Return all decoders, one of which passes over all that it should open."""

    def nothing(_: object) -> Iterator[Any]:
        return iter(())

    return tuple(replace(one, contents=nothing) if one is decoder else one for one in DECODERS)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_a_blind_decoder_voids_the_scan(tmp_path: Path, decoder: Decoder) -> None:
    for name, raw in decoder.canaries(ANN).items():
        (tmp_path / name).write_bytes(raw)
    place = Place(store="s", kind="files", root=tmp_path)
    assert scan([place], NEEDLES).hits
    with pytest.raises(Broken, match=f"the decoder {decoder.name} does not see its canary"):
        scan([place], NEEDLES, decoders=blind(decoder))


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_store_is_held_to_its_decoders_though_it_is_empty(tmp_path: Path, kind: Any) -> None:
    place = Place(store="s", kind=kind, root=tmp_path)
    assert scan([place], NEEDLES).clean
    for name in EXPECTED[kind]:
        with pytest.raises(Broken, match=f"the decoder {name} does not see"):
            scan([place], NEEDLES, decoders=[one for one in DECODERS if one.name != name])


def test_canaries_of_compressed_kinds_are_hidden_from_a_plain_search() -> None:
    seen = Needles.of([]).with_canary()
    for decoder in DECODERS:
        shown = [name for name, raw in decoder.canaries(CANARY).items() if seen.kinds(raw)]
        assert not shown or decoder.plain, decoder.name


def test_json_is_searched_as_it_reads(tmp_path: Path) -> None:
    once = json.dumps({"v": ANN}).replace("@", "\\u0040")
    (tmp_path / "j").write_text(json.dumps({"stats": once}), encoding="utf-8")
    assert spots(tmp_path, "logs") == {"text, unescaped"}
