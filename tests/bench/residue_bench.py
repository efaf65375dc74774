"""How fast stores are searched: python tests/bench/residue_bench.py [--megabytes 400].

It makes a lake, a database, a serving store and packed sources of invented people, and searches them for three others.
What counts is the bytes after decoding: pages as they are opened, streams as they are expanded.
"""

import argparse
import gzip
import os
import random
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import lmdb
import pyarrow as pa
import pyarrow.parquet as pq

from consent.residue.model import Place
from consent.residue.needles import Needles
from consent.residue.scan import scan

PEOPLE = [(f"missing.person.{n}@example.org", f"+1212555012{n}", os.urandom(16).hex()) for n in range(3)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=400)
    each = parser.parse_args().megabytes * 10**6 // 4
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        decoded = Counter({"delta": lake(root / "lake", each), "sqlite": database(root / "k.db", each)})
        decoded["lmdb"] = serving(root / "serving", each)
        decoded["files"] = packed(root / "landing", each)
        values = [value for email, phone, _ in PEOPLE for value in (email, phone)]
        needles = Needles.of(values, ids=[one for _, _, one in PEOPLE])
        places = [
            Place(store="lake", kind="delta", root=root / "lake"),
            Place(store="database", kind="sqlite", root=root / "k.db"),
            Place(store="serving", kind="lmdb", root=root / "serving"),
            Place(store="landing", kind="files", root=root / "landing"),
        ]
        print(f"{len(needles.patterns):,} spellings of {len(values)} values and {len(PEOPLE)} ids")
        scan([], needles)
        for place in places:
            report = measured([place], needles, decoded[place.kind], place.store)
            assert report.clean, report
        measured(places, needles, decoded.total(), "all")


def measured(places: list[Place], needles: Needles, size: int, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    begun, processor = time.perf_counter(), time.process_time()
    report = scan(places, needles)
    took, processor = time.perf_counter() - begun, time.process_time() - processor
    files = sum(place.bytes for place in report.places)
    print(
        f"{name:10} {files / 1e6:7.0f} MB of files, {size / 1e6:7.0f} MB decoded in {took:6.2f} s "
        f"({processor:.2f} s of processor): {size / 1e6 / took:6.0f} MB/s decoded, {size / 1e6 / processor:6.0f} a core"
    )
    return report


def rows(count: int, noise: random.Random) -> list[tuple[int, str, str, str]]:
    return [
        (n, f"person.{noise.randrange(10**9)}@example.net", f"+1303555{n % 10**4:04d}", f'{{"sku": "{n * 7919}"}}')
        for n in range(count)
    ]


def lake(folder: Path, size: int) -> int:
    folder.mkdir()
    noise, made, number = random.Random(1), 0, 0  # noqa: S311 - invented people
    while made < size:
        table = pa.table(
            dict(zip(("n", "email", "phone", "payload"), zip(*rows(200_000, noise), strict=True), strict=True))
        )
        codec = ("snappy", "zstd")[number % 2]
        pq.write_table(table, folder / f"part-{number}.{codec}.parquet", compression=codec)
        made, number = made + table.nbytes, number + 1
    return made


def database(path: Path, size: int) -> int:
    noise = random.Random(2)  # noqa: S311 - invented people
    with closing(sqlite3.connect(path)) as made:
        made.execute("create table t (n integer primary key, email text, phone text, payload text)")
        made.execute("create index i on t (email)")
        while path.stat().st_size < size:
            made.executemany(
                "insert into t (email, phone, payload) values (?, ?, ?)", [r[1:] for r in rows(100_000, noise)]
            )
            made.commit()
    return path.stat().st_size


def serving(folder: Path, size: int) -> int:
    noise = random.Random(3)  # noqa: S311 - invented people
    with closing(lmdb.open(str(folder), map_size=4 * size, sync=False)) as made:
        number = 0
        while number * 900 < size:
            with made.begin(write=True) as transaction:
                for row in rows(20_000, noise):
                    number += 1
                    transaction.put(f"p{number}".encode(), (repr(row) * 10).encode())
    return (folder / "data.mdb").stat().st_size


def packed(folder: Path, size: int) -> int:
    folder.mkdir()
    noise = random.Random(4)  # noqa: S311 - invented people
    text = "".join(f'{{"n": {r[0]}, "email": "{r[1]}", "phone": "{r[2]}"}}\n' for r in rows(200_000, noise))
    part, made, number = text.encode(), 0, 0
    while made < size:
        raw = gzip.compress(part, 3) if number % 2 else part
        (folder / f"{number}.ndjson{'.gz' if number % 2 else ''}").write_bytes(raw)
        made, number = made + len(part), number + 1
    return made


if __name__ == "__main__":
    main()
