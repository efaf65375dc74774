"""Files in an object storage: each version is brought here once, whole, and is a file with a name of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest

import ingestion.quarantine.store
import ingestion.store
from infra.database import open_database
from infra.errors import ConfigurationError, Held
from infra.workspace import Workspace
from ingestion.config import Source, load_sources
from ingestion.connectors import objects
from ingestion.connectors.objects import Version, brought, copies_of, options, place, prune
from ingestion.erased_files import Files
from ingestion.errors import ConnectorMalformed, SourceAway, SourceFileMalformed, SourceFilesMissing
from ingestion.model import Account, SourceFile
from ingestion.origins import addresses
from ingestion.sampling import files_of
from ingestion.spelled import Spelled
from ingestion.store import Books, Taken

CRM = """source: crm
connector: {{type: files, path: {path}, format: {kind}}}
record: person
key: id
identifiers: {{email: email}}
"""
ROWS = "id,email\n1,a@example.org\n"
LATER = datetime(2999, 1, 1, tzinfo=UTC)


@dataclass
class Bucket:
    """A bucket in memory, and a source that reads it."""

    name: str
    declare: Callable[..., Workspace]
    known: dict[tuple[str, str], int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def source(self, path: Any = "*.csv", kind: str = "csv") -> tuple[Workspace, Source]:
        paths = [path] if isinstance(path, str) else path
        address = [one if "://" in one else f"memory://{self.name}/{one}" for one in paths]
        workspace = self.declare(CRM.format(path=address, kind=kind))
        return workspace, load_sources(workspace)[0]

    def put(self, name: str, content: str = ROWS) -> None:
        fsspec.filesystem("memory").pipe(f"/{self.name}/{name}", content.encode())

    def take(self, name: str) -> None:
        fsspec.filesystem("memory").rm(f"/{self.name}/{name}")

    def brought(self, path: Any = "*.csv", kind: str = "csv") -> dict[str, int]:
        """Return the lines of each file; what was brought in counts as known if it is taken in."""
        workspace, source = self.source(path, kind)
        taken = {name for name, _ in self.known}
        self.files = brought(workspace, source, source.connector, self.known, taken, self.said.append)  # type: ignore[arg-type]
        return {file.path: file.units for file in self.files}

    def take_in(self) -> None:
        self.known |= {(file.path, file.sha256): file.units for file in self.files}


@pytest.fixture
def bucket(declare: Callable[..., Workspace]) -> Iterator[Bucket]:
    made = Bucket(f"b{uuid4().hex}", declare)
    yield made
    storage = fsspec.filesystem("memory")
    if storage.exists(f"/{made.name}"):
        storage.rm(f"/{made.name}", recursive=True)


def test_an_object_is_brought_once_and_again_when_it_changed(bucket: Bucket) -> None:
    bucket.put("b.csv")
    bucket.put("a.csv", ROWS + "2,b@example.org\n")
    first = bucket.brought()
    assert list(first.values()) == [2, 1], "in the order of their names"
    assert [Path(name).name for name in first] == ["a.csv", "b.csv"]
    assert bucket.said == ["crm: 2 objects landed, 66 bytes"]
    assert bucket.brought() == first
    assert len(bucket.said) == 1, "what waits is not brought again"
    bucket.take_in()
    assert bucket.brought() == dict.fromkeys(first, 0), "what is known is not even opened"
    bucket.put("b.csv", ROWS.replace("a@", "c@"))
    changed = bucket.brought()
    assert next(iter(changed)) in first
    assert [name for name in changed if name not in first] == [name for name, units in changed.items() if units]
    assert len(bucket.said) == 2


def test_what_was_brought_and_not_taken_in_is_taken_in_though_it_changed_since(bucket: Bucket) -> None:
    bucket.put("a.csv")
    (first,) = bucket.brought()
    bucket.put("a.csv", ROWS + ROWS[9:])
    assert first in bucket.brought()
    assert len(bucket.files) == 2
    bucket.take("a.csv")
    bucket.put("z.csv")
    assert len(bucket.brought()) == 3


def test_copies_that_the_lake_has_are_deleted_in_time_and_brought_again_if_they_are_needed(bucket: Bucket) -> None:
    bucket.put("deep/er/a.csv")
    bucket.put("deep/b.csv")
    bucket.brought("**/*.csv")
    workspace, source = bucket.source("**/*.csv")
    assert [path.name for path in files_of(workspace, source)] == ["b.csv", "a.csv"]
    prune(workspace, "crm", (), LATER)
    assert len(copies_of(workspace, "crm")) == 2, "nothing of it is taken in"
    prune(workspace, "crm", list(copies_of(workspace, "crm"))[:1], datetime(2001, 1, 1, tzinfo=UTC))
    assert len(copies_of(workspace, "crm")) == 2, "it is too early"
    taken = list(copies_of(workspace, "crm"))
    prune(workspace, "crm", taken[:1], LATER)
    assert list(copies_of(workspace, "crm")) == taken[1:]
    prune(workspace, "crm", taken, LATER)
    assert list(place(workspace, "crm").iterdir()) == []
    bucket.take_in()
    assert set(bucket.brought("**/*.csv").values()) == {0}
    bucket.known.clear()  # as if the source meant something else now
    assert set(bucket.brought("**/*.csv").values()) == {1}


def test_an_object_that_changes_while_it_is_fetched_waits_until_it_rests(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.csv")
    memory = type(fsspec.filesystem("memory"))
    plain, calls = memory.get_file, [0]

    def restless(self: Any, path: str, local: str, **more: Any) -> None:
        plain(self, path, local, **more)
        calls[0] += 1
        if calls[0] < changes:
            bucket.put("a.csv", ROWS + "x" * calls[0])

    monkeypatch.setattr(memory, "get_file", restless)
    changes = 99
    assert bucket.brought() == {}
    assert "1 objects changed while they were fetched" in bucket.said[-1]
    workspace, _ = bucket.source()
    assert copies_of(workspace, "crm") == {}
    calls[0], changes = 0, 2
    assert len(bucket.brought()) == 1
    (copy,) = copies_of(workspace, "crm").values()
    assert copy.read_bytes() == (ROWS + "x").encode()


KILLED = """
import os, sys
from pathlib import Path
import fsspec
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.connectors.objects import brought
memory = fsspec.filesystem("memory")
for number in range(3):
    memory.pipe(f"/shop/{number}.csv", b"id,email\\n1,a@example.org\\n" * 1000)
workspace = Workspace.open(Path(sys.argv[1]))
(source,) = load_sources(workspace)
plain, left = os.fdatasync, int(sys.argv[2])
def dies(handle):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    plain(handle)
os.fdatasync = dies
brought(workspace, source, source.connector, {}, (), print)
"""


def test_a_load_that_was_killed_leaves_whole_copies_and_goes_on(bucket: Bucket, tmp_path: Path) -> None:
    workspace, source = bucket.source("memory://shop/*.csv")
    run = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([*run, "1"], env=environment, check=False).returncode == 9
    there = {path.stat().st_size for path in copies_of(workspace, source.source).values()}
    assert there <= {25_000}
    assert any(place(workspace, "crm").rglob("*.part"))
    assert subprocess.run([*run, "9"], env=environment, check=False).returncode == 0
    assert len([p for p in place(workspace, "crm").rglob("*") if p.is_file()]) >= 3
    assert not any(place(workspace, "crm").rglob("*.part"))


def test_what_is_wrong_is_told_in_our_words(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceFilesMissing, match=r"no file matches memory://\w+/\*\.csv"):
        bucket.brought()
    bucket.put("a.csv", "")
    with pytest.raises(SourceFileMalformed, match=r"a\.csv:1: the file is empty"):
        bucket.brought()
    with pytest.raises(ConnectorMalformed, match=r"gs:// needs a package that is not there"):
        bucket.brought("gs://shop/*.csv")
    with pytest.raises(ConnectorMalformed, match=r"nonesuch:// is no system that fsspec knows"):
        bucket.brought("nonesuch://shop/*.csv")

    def fails(*_: Any, **__: Any) -> Any:
        raise wrong

    memory = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(memory, "glob", fails)
    wrong: OSError = PermissionError("the key AKIA123 is not it")
    with pytest.raises(SourceAway, match="refuses these credentials") as told:
        bucket.brought()
    assert "AKIA" not in str(told.value)
    wrong = TimeoutError("https://secret@host")
    with pytest.raises(SourceAway, match=r"does not answer \(TimeoutError\)"):
        bucket.brought()
    wrong = OSError(28, "No space left on device")
    with pytest.raises(Exception, match="cannot be written"):
        bucket.brought()


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("s3://key:secret@shop/*.csv", "not an address"),
        ("s3://shop/a.csv?versionId=3", "not an address"),
        ("simplecache::s3://shop/a.csv", "not an address"),
        ("S3://shop/a.csv", "not an address"),
        ("s3:///a.csv", "not an address"),
        ("file:///etc/*.csv", "files of this machine need no address"),
        ("[s3://shop/*.csv, data/*.csv]", "declare two sources"),
    ],
)
def test_an_address_that_is_none(declare: Callable[..., Workspace], path: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong) as told:
        load_sources(declare(CRM.format(path=path, kind="csv")))
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("path", ["a//b", "../../etc/passwd", ".", "a/./b", "_x/.y", "ä b/%41/*?[1].csv", "n" * 1000])
def test_no_name_of_an_object_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    one = Version("s3", f"shop/{path}", 1, "x")
    copy = one.copy(tmp_path)
    assert copy.resolve().is_relative_to(tmp_path)
    copy.parent.mkdir(parents=True)
    copy.touch()
    other = Version("s3", f"shop/{path}", 1, "y").copy(tmp_path)
    assert other != copy
    assert other.name == copy.name


def test_long_names_that_begin_alike_are_not_alike(tmp_path: Path) -> None:
    both = {Version("s3", f"{'n' * 300}{end}.csv.gz", 1, "").copy(tmp_path) for end in "ab"}
    assert len(both) == 2
    assert {path.suffix for path in both} == {".gz"}


def test_who_reads_is_said_by_the_environment() -> None:
    told = {"AWS_ACCESS_KEY_ID": "k", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "FSSPEC_S3_ANON": "x", "FSSPEC_X": "1"}
    assert options(told, "s3") == {"key": "k", "endpoint_url": "http://127.0.0.1:1", "anon": "x"}
    assert options({**told, "FSSPEC_S3": '{"anon": true}'} | {"FSSPEC_S3_ANON": ""}, "s3")["anon"] is True
    assert options(told, "memory") == {}
    assert options({"AZURE_STORAGE_ACCOUNT_NAME": "n"}, "abfs") == {"account_name": "n"}


def test_lineage_names_the_storage(bucket: Bucket) -> None:
    workspace, source = bucket.source("s3://shop/data/*.csv")
    ((one,),) = (addresses(source, workspace),)
    assert (one.namespace, one.name) == ("s3://shop", "data/*.csv")


def test_a_mark_that_a_listing_tells_otherwise_is_no_change(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("a.csv")
    plain = objects._version
    marks = ["listed", "told", "told"]
    monkeypatch.setattr(objects, "_version", lambda *told: replace(plain(*told), mark=marks.pop(0)))
    assert len(bucket.brought()) == 1


def test_an_erasure_takes_every_copy_for_one_that_names_the_person(bucket: Bucket, tmp_path: Path) -> None:
    workspace, _ = bucket.source("*.gz", "ndjson")
    copy = place(workspace, "crm") / "memory/a/1/a.csv.gz"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"packed")
    copy.with_name("b.csv.gz.part").write_bytes(b"begun")
    database = open_database(
        f"sqlite:///{tmp_path}/k.db", ingestion.store.METADATA, ingestion.quarantine.store.METADATA
    )
    files, nobody = Files(workspace, database), Spelled.of((), {}, "US")
    assert len(files.holding(nobody)) == 2
    with pytest.raises(Held, match="`kindred ingest crm`"):
        files.delete(nobody)
    name = os.path.relpath(copy, workspace.root)
    books = Books(database, "r1")
    taken = Taken("crm", (SourceFile(name, 6, "object 1", 1),), (), "d")
    books.close([taken], [Account("crm", name, 1, 1)], (), restrictions="", at=LATER)
    assert files.delete(nobody) == 2
    assert copies_of(workspace, "crm") == {}
    assert not any(place(workspace, "crm").rglob("*.part"))
    assert files.holding(nobody) == []
    database.dispose()
