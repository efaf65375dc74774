"""The scan finds a value wherever it is split, in every spelling, and says plainly what it did not read."""

import base64
import hashlib
import os
import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import lmdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.residue import source
from consent.residue.kinds import DECODERS
from consent.residue.model import PATH, Place
from consent.residue.needles import Needles
from consent.residue.scan import scan

ANN = "Ann.O'Hara+lists@example.org"
PHONE = "+12125550123"
PROFILE = "5e4f1c0a9b8d7e6f5a4b3c2d1e0f9a8b"
TOKEN = "1:" + hashlib.sha256(b"token").hexdigest()
NEEDLES = Needles.of([ANN, PHONE], ids=[PROFILE], tokens=[TOKEN])


def kinds(data: bytes, needles: Needles = NEEDLES) -> set[str]:
    """Return under which spellings a scan finds what a file holds."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "f").write_bytes(data)
        return {hit.spelling for hit in scan([Place(store="s", kind="files", root=Path(folder))], needles).hits}


@pytest.mark.parametrize(
    ("spelling", "data"),
    [
        ("raw", ANN.swapcase().encode()),
        ("url", quote(ANN, safe="").lower().encode()),
        ("url twice", quote(quote(ANN, safe=""), safe="").encode()),
        ("utf-16", ANN.encode("utf-16-le")),
        ("utf-16", b"\xfe\xff" + ANN.upper().encode("utf-16-be")),
        ("utf-32", ANN.encode("utf-32-le")),
        ("hex", ANN.encode().hex().upper().encode()),
        ("base64", base64.b64encode(b"x" + ANN.encode() + b"yz")),
        ("base64", base64.b64encode(b"xy" + ANN.encode())),
        ("base64", base64.urlsafe_b64encode(b"xyz" + ANN.casefold().encode())),
        ("base64", base64.encodebytes(b"x" * 47 + ANN.encode() + b"y" * 100)),
        ("raw", ANN.replace("@", "=40").replace("lists", "li=\nsts").encode()),
        ("raw", ANN.replace("@", "&#64;").replace("'", "&apos;").encode()),
        ("raw", ANN.replace("@", "\\\\u0040").replace("'", "\\'").encode()),
        ("raw", "".join(f"%{ord(c):02X}" for c in ANN).encode()),
        ("md5", hashlib.md5(ANN.lower().encode(), usedforsecurity=False).hexdigest().encode()),
        ("sha1", hashlib.sha1(ANN.encode(), usedforsecurity=False).hexdigest().upper().encode()),
        ("sha256", base64.b64encode(hashlib.sha256(ANN.casefold().encode()).digest())),
        ("sha256", b"\0" + hashlib.sha256(ANN.lower().encode()).digest()),
        ("sha256", hashlib.sha256(b"12125550123").hexdigest().encode()),
        ("raw", PHONE.encode()),
        ("digits", b"x12125550123x"),
        ("digits", b"2125550123"),
        ("phone", b"(212) 555-0123"),
        ("phone", b"+1 212 555 0123"),
        ("phone", b"212.555.0123"),
        ("number", (12125550123).to_bytes(8, "little")),
        ("number", b"\0" + (12125550123).to_bytes(6, "big")),
        ("id", PROFILE.upper().encode()),
        ("id", bytes.fromhex(PROFILE)),
        ("token", TOKEN.encode()),
        ("token", base64.b64encode(bytes.fromhex(TOKEN[2:]))),
    ],
)
def test_every_spelling_is_found(spelling: str, data: bytes) -> None:
    assert spelling in kinds(data)


def test_nobody_is_found_where_nobody_is() -> None:
    crowd = "\n".join(f"person{n}@example.org,+1303555{n:04d},{n * 7919}" for n in range(5_000))
    assert kinds(crowd.encode()) == set()
    assert kinds(random.Random(3).randbytes(2_000_000)) == set()  # noqa: S311 - noise


def test_needles_tell_nobody() -> None:
    shown = repr(NEEDLES) + str(NEEDLES.with_canary())
    assert "hara" not in shown.lower()
    assert "5550123" not in shown


def test_what_is_allowed_is_no_hit_and_only_where_it_is_allowed(tmp_path: Path) -> None:
    for store in ("suppression", "database"):
        (tmp_path / store).mkdir()
        (tmp_path / store / "f").write_text(f"{TOKEN} and {ANN if store == 'database' else ''}", encoding="utf-8")
    report = scan(
        [
            Place(store="suppression", kind="files", root=tmp_path / "suppression", allowed=frozenset({"token"})),
            Place(store="database", kind="files", root=tmp_path / "database"),
        ],
        NEEDLES,
    )
    assert [(place.store, sorted(hit.spelling for hit in place.hits)) for place in report.places] == [
        ("suppression", []),
        ("database", ["raw", "token"]),
    ]


def test_a_folder_that_is_not_mounted_says_nothing(tmp_path: Path) -> None:
    away = tmp_path / "away"
    assert scan([Place(store="s", kind="files", root=away)], NEEDLES).clean
    (place,) = scan([Place(store="s", kind="files", root=away, delivered=True)], NEEDLES).places
    assert place.unscanned == ("its folder is not there; mount it and run again",)


def test_copies_of_programs_are_counted_and_what_only_looks_like_one_is_searched(tmp_path: Path) -> None:
    programs, root = tmp_path / "programs", tmp_path / "work"
    programs.mkdir()
    root.mkdir()
    for name, raw in (("delta.jar", b"\xca\xfe\0program"), ("kafka.jar", b"\xca\xfe\0other")):
        (programs / name).write_bytes(raw)
    (root / "delta.jar").write_bytes(b"\xca\xfe\0program")
    (root / "kafka.jar").write_bytes(b"\xca\xfe\0othe1" + ANN.encode())
    (place,) = scan([Place(store="s", kind="state", root=root, programs=programs)], NEEDLES).places
    assert (place.programs, place.files, {hit.file for hit in place.hits}) == (1, 1, {"kafka.jar"})
    assert place.unscanned == ("kafka.jar: no decoder for this kind of file",)


def test_a_name_that_tells_is_a_hit_and_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / f"email={quote(ANN, safe='')}").mkdir()
    (tmp_path / f"email={quote(ANN, safe='')}" / "part-0").write_bytes(b"\xff\0\xff")
    place = scan([Place(store="s", kind="delta", root=tmp_path)], NEEDLES).places[0]
    assert {(hit.file, hit.where) for hit in place.hits} == {(PATH, "path")}
    assert place.unscanned == (f"{PATH}: no decoder for this kind of file",)


def test_links_and_what_may_not_be_read_are_listed(tmp_path: Path) -> None:
    (tmp_path / "away").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    place = scan([Place(store="s", kind="files", root=tmp_path)], NEEDLES).places[0]
    assert place.unscanned == ("away: a link; what it leads to is searched where it lies, or not at all",)
    assert place.files == 1


@settings(max_examples=60)
@given(before=st.integers(0, 200), after=st.integers(0, 200), chunk=st.integers(1, 64))
def test_no_edge_of_a_piece_hides_a_value(before: int, after: int, chunk: int) -> None:
    data = b"x" * before + ANN.encode() + b"y" * after
    pieces = source.overlapping((data[at : at + chunk] for at in range(0, len(data), chunk)), len(ANN))
    assert any(NEEDLES.hit(piece) == "raw" for piece in pieces)


@settings(max_examples=30, deadline=None)
@given(
    size=st.sampled_from([512, 1024, 4096]),
    before=st.integers(0, 9_000),
    after=st.integers(0, 3_000),
    log=st.booleans(),
    indexed=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_sqlite_hides_no_value_across_pages(
    *, size: int, before: int, after: int, log: bool, indexed: bool, seed: int
) -> None:
    noise = random.Random(seed)  # noqa: S311 - noise
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "k.db")
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"pragma page_size = {size}")
            database.execute("create table t (a, v)")
            if indexed:
                database.execute("create index i on t (v)")
            if log:
                database.execute("pragma journal_mode = wal")
            crowd = [(n, noise.randbytes(noise.randrange(2 * size))) for n in range(6)]
            database.executemany("insert into t values (?, ?)", crowd)
            database.execute("insert into t values (?, ?)", (noise.randrange(9), "x" * before + ANN + "y" * after))
            database.commit()
            assert scan([Place(store="s", kind="sqlite", root=Path(folder))], NEEDLES).hits


@settings(max_examples=15, deadline=None)
@given(before=st.integers(0, 20_000), after=st.integers(0, 9_000), again=st.booleans())
def test_lmdb_hides_no_value_across_pages(*, before: int, after: int, again: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = lmdb.open(folder, map_size=2**22)
        with environment.begin(write=True) as transaction:
            transaction.put(b"k", b"x" * before + ANN.encode() + b"y" * after)
        if again:
            with environment.begin(write=True) as transaction:
                transaction.put(b"other", b"z")
        environment.close()
        assert scan([Place(store="s", kind="lmdb", root=Path(folder))], NEEDLES).hits


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 400),
    at=st.integers(0, 399),
    codec=st.sampled_from(["snappy", "zstd", "gzip", "lz4", "brotli", "none"]),
    group=st.integers(1, 400),
    page=st.sampled_from([64, 1024, 2**20]),
    dictionary=st.booleans(),
)
def test_parquet_hides_no_row(*, rows: int, at: int, codec: str, group: int, page: int, dictionary: bool) -> None:
    values = [{"v": [f"person{n}@example.org"]} for n in range(rows)]
    values[at % rows] = {"v": ["x", ANN]}
    with tempfile.TemporaryDirectory() as folder:
        told: dict[str, Any] = {"use_dictionary": dictionary, "data_page_size": page, "write_statistics": False}
        pq.write_table(pa.table({"n": values}), Path(folder, "p"), compression=codec, row_group_size=group, **told)
        hits = scan([Place(store="s", kind="delta", root=Path(folder))], NEEDLES).hits
    assert any(hit.where.startswith("column n.v.list.element") for hit in hits)


SAMPLES = [(name, raw) for decoder in DECODERS for name, raw in decoder.canaries(ANN).items()]


@settings(max_examples=80, deadline=None)
@given(sample=st.sampled_from(SAMPLES), seed=st.integers(0, 2**32), cut=st.booleans())
def test_spoilt_bytes_are_listed_or_read_and_never_end_the_scan(
    *, sample: tuple[str, bytes], seed: int, cut: bool
) -> None:
    noise = random.Random(seed)  # noqa: S311 - noise
    name, raw = sample
    data = bytearray(raw)
    for _ in range(noise.randrange(1, 6)):
        data[noise.randrange(min(len(data), noise.choice([64, len(data)])))] = noise.randrange(256)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(data[: noise.randrange(len(data))] if cut else data)
        report = scan([Place(store="s", kind="files", root=Path(folder))], NEEDLES)
    assert "hara" not in repr(report).lower()


@pytest.mark.parametrize("around", ["", "é", "\\ud83d\\ude00", "C:\\Users", "\\u12", "\\\\\\\\"])
def test_escapes_are_opened_beside_whatever_stands_there(around: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in ANN)
    for depth in (1, 2, 4):
        text = f"{around} {escaped.replace(chr(92), chr(92) * depth)} {around}"
        assert kinds(text.encode()) == {"raw"}, (around, depth)


@pytest.mark.parametrize(
    "value", ["x" * 3_000, "ünï.cödé@exämple.org", "a.b+c@[1]*?()|^$.example.org", "名前名前名前@example.org"]
)
def test_strange_values_are_found(value: str) -> None:
    needles = Needles.of([value])
    assert kinds(f"zz{value}zz".encode(), needles) == {"raw"}
    assert kinds(base64.b64encode(f"zz{value}zz".encode()), needles) == {"base64"}


def test_what_is_no_text_is_counted() -> None:
    assert Needles.of(["\ud800abcdef", "ann"]).too_short == 2
