"""The steps of a maintenance, in the job runner: what is past is found, told, let go, looked for again and recorded.

What a run that failed began is ended by the next run, whatever it was asked for: rows that went must go from what was
derived of them too.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import identity.erasure
import profiles.erasure
from activation.erasure import forget_decisions
from api.cli.books import drop_scratch
from api.cli.erasable import stores
from api.cli.retained import BOOKS, checked
from api.cli.tables import TABLES
from api.http.told import keeper_of
from consent.config import load_policy
from consent.erasure import holds
from consent.erasure.ports import Subject
from consent.erasure.workflow import IDS_IN_LOGS, RETENTION, without_ids_in_the_log
from consent.ledger.sealer import append_note
from consent.officer import sealing_key
from consent.residue.certificate import Exclusion
from consent.residue.model import ScanReport
from consent.residue.needles import Needles
from consent.residue.scan import scan
from consent.retention.config import load_retention
from consent.retention.errors import TooMuchAtOnce, WentAndIsThere
from consent.retention.model import Kept
from consent.retention.record import RecordFacts, TableFacts, retention_record
from consent.retention.rule import ranked
from identity.activity import ids_of_nobody, last_activity
from identity.closure import everybody
from infra import shelf, upkeep
from infra.clock import system_clock
from infra.database import scrub
from infra.ids import content_digest
from infra.runs import Runs
from infra.runtime import Runtime
from infra.workspace import Workspace
from ingestion import periods
from ingestion.retention import Aging
from ingestion.tables import EVENTS, RECORDS
from profiles.copying import copied
from profiles.history.copying import forget_copies, spelled_out
from profiles.history.pruning import as_built, prune
from profiles.serving import serving_store

KIND: Final = "retention"
_BEGUN, _DONE, _TRIED = "maintain", "maintained", "maintain-dry"
# In the folder of a maintenance once the ledger was told: from then on what was found goes, whoever does it.
_TOLD: Final = "told"
_AT_ONCE: Final = 500
# As many keys are looked for in every byte; all of them are looked for in the tables.
_NEEDLES: Final = 400
# What is not searched, and why something may stand there.
_WAITS: Final = "rows as they came, kept for a replay for seven days"
_ELSEWHERE: Final[Mapping[str, str]] = {
    "log": _WAITS,
    "landing": _WAITS,
    "corrections": "what people asked to be corrected, which an erasure takes out",
    "destinations": "files that recipients were handed, who are told to remove whom no audience holds",
    "lake: the log's statistics": IDS_IN_LOGS,
}


def has_gone(workspace: Workspace) -> bool:
    """Say whether rows were let go that older files may still hold: whatever is derived has to be made anew."""
    return is_begun(workspace) or _folder(workspace, _DONE).exists()


def is_begun(workspace: Workspace) -> bool:
    """Say whether rows were found, and perhaps let go, that what is derived has not heard of."""
    return (_folder(workspace, _BEGUN) / _TOLD).exists()


def look(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Return what would go now, and change nothing."""
    checked(runtime.workspace)
    folder = _folder(runtime.workspace, _TRIED)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return _found(runtime, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Write down what is past; raise `TooMuchAtOnce` where it is most of a table and not said to be wanted."""
    checked(runtime.workspace)
    folder, begun = _folder(runtime.workspace, _BEGUN), is_begun(runtime.workspace)
    if not begun:
        shutil.rmtree(folder, ignore_errors=True)
    told = _found(runtime, folder)
    tables: list[dict[str, Any]] = told["tables"]
    most = [one for one in tables if 2 * (one["past"] - one["held"]) > one["rows"]]
    if most and not begun and arguments.get("anyway") != "yes":
        shutil.rmtree(folder, ignore_errors=True)
        raise TooMuchAtOnce([(one["table"], one["past"] - one["held"], one["rows"]) for one in most])
    return told


def _found(runtime: Runtime, folder: Path) -> dict[str, Any]:
    aging, words = _aging(runtime, folder)
    found = [asdict(one) for one in aging.find()] if _ruled(runtime, periods.STORES) else []
    found += list(_books(runtime, act=False))
    for one in found:
        going = one["past"] - one["held"]
        runtime.say(f"{one['table']}: {going:,} of {one['rows']:,} rows are past; {one['held']:,} more are held")
    return {"tables": found, "holds": list(words), "began_at": system_clock().isoformat()}


def announce(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Tell the ledger what is about to go: rules and numbers, and nobody."""
    told = _summary(runtime, "find")
    folder = _folder(runtime.workspace, _BEGUN)
    if all(one["past"] == one["held"] for one in told["tables"]):
        if not is_begun(runtime.workspace):
            shutil.rmtree(folder, ignore_errors=True)
        return {}
    rules = [rule.facts() for rule in load_retention(runtime.workspace)]
    facts = {"run": runtime.run.id, "as_of": runtime.run.started_at.isoformat(), "rules": rules}
    # of a hold only its id: grounds are somebody's words, and the ledger keeps what it is told for ever
    facts |= {"tables": told["tables"], "holds": [words.partition(":")[0] for words in told["holds"]]}
    digest = content_digest([KIND, facts])
    note = append_note(runtime.database, KIND, facts, runtime.run.started_at, note_id=digest)
    books = {book.STORE.table for book in BOOKS}
    if any(one["past"] > one["held"] for one in told["tables"] if one["table"] not in books):
        (folder / _TOLD).touch()
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return {"note": note}


def let_go(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Take out what was found, and say what resolutions have to look at anew."""
    if is_begun(runtime.workspace):
        aging, _ = _aging(runtime, _folder(runtime.workspace, _BEGUN))
        aging.let_go()
        aging.changed()
    told = bool(_summary(runtime, "find")["tables"])
    return {"books": {one["table"]: one["past"] for one in _books(runtime, act=True)} if told else {}}


def pending(runtime: Runtime) -> dict[str, str]:
    """Return what a resolution has to be told of rows that went, after they have all gone; empty where none did."""
    return {"erased": str(_folder(runtime.workspace, _BEGUN) / "changed")} if is_begun(runtime.workspace) else {}


def forget(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Forget the ids of whom nothing is left, and that anything is still to be done."""
    folder = _folder(runtime.workspace, _BEGUN)
    if not is_begun(runtime.workspace):
        return {}
    aging, _ = _aging(runtime, folder)
    path = folder / "nobody"
    if not (path / "_SUCCESS").exists():
        ids_of_nobody(runtime.lake, aging.records_gone()).coalesce(1).write.mode("overwrite").parquet(str(path))
    ids = runtime.lake.spark.read.parquet(str(path))
    count = 0
    for part in _ids(path):
        count += len(part)
        identity.erasure.forget_words(runtime.database, part)
        forget_decisions(runtime.database, part)
    if count:
        identity.erasure.forget_ids(runtime.lake, ids)
        profiles.erasure.forget_ids(runtime.lake, ids)
    left = {name: number for name, number in aging.left().items() if number}
    if left:
        raise WentAndIsThere(left)
    done = _folder(runtime.workspace, _DONE)
    shutil.rmtree(done, ignore_errors=True)
    folder.rename(done)
    if not _summary(runtime, "find")["tables"]:  # what a maintenance that failed had begun, nobody records
        shutil.rmtree(done)
    return {"ids": count}


def tidy(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Bring the lake's files to what is needed: no marked rows, checkpoints, no file older than the tables' retention.

    `at_once` keeps no older version of any file.
    """
    at_once, workspace = arguments.get("at_once") == "yes", runtime.workspace
    went = _folder(workspace, _DONE).exists()
    if went or at_once:
        upkeep.purge(runtime.lake, TABLES)
    if went:
        serving_store(workspace).remove_older()
    past = _past(runtime)
    if went or past or _summary(runtime, "let_go").get("books"):
        scrub(runtime.database)
    written = upkeep.checkpoint(runtime.lake, TABLES)
    before = _files(workspace.lake_path)
    upkeep.expire(runtime.lake, TABLES, 0 if at_once else None)
    gone = before - _files(workspace.lake_path)
    runtime.say(f"upkeep: {written} checkpoints written, {gone:,} files deleted")
    return {"checkpoints": written, "files": gone, "past": past}


def _past(runtime: Runtime) -> int:
    """Let go of what was seen longer ago than it is kept, or rests on what may not be used any more; say how much."""
    forget_copies(runtime.workspace)
    generations = serving_store(runtime.workspace)
    keeper, count = keeper_of(runtime.workspace), 0
    if generations.name() is not None:
        count = prune(runtime.database, lambda: as_built(generations.current().snapshot()))
    count += keeper.shorten(runtime.database, system_clock())
    if count:
        runtime.say(f"past views: {count:,} rows let go")
    return count


def record(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Look for what went and sign the record of it; without a signing key it is told and not signed."""
    workspace, found = runtime.workspace, _summary(runtime, "find")
    rules, signer, at_once = load_retention(workspace), sealing_key(workspace), arguments.get("at_once") == "yes"
    done = _folder(workspace, _DONE)
    if not rules or signer is None:
        shutil.rmtree(done, ignore_errors=True)
        return {}
    search = _searched(runtime, done) if at_once and done.exists() else None
    told = [{**one, "let_go": one["past"] - one["held"], "left": 0} for one in found["tables"]]
    exclusions = tuple(Exclusion(store=store, reason=why, ground=why) for store, why in _ELSEWHERE.items())
    facts = RecordFacts(
        record_id=runtime.run.id,
        controller=load_policy(workspace).controller,
        as_of=runtime.run.started_at,
        rules=rules,
        tables=tuple(TableFacts(**one) for one in told),
        holds=tuple(found["holds"]) if any(one["held"] for one in told) else (),
        search=search,
        exclusions=exclusions if search is not None else (),
        versions_until=None if at_once else system_clock() + RETENTION,
        note=_summary(runtime, "announce").get("note"),
        started_at=min(datetime.fromisoformat(found["began_at"]), system_clock()),
        finished_at=system_clock(),
        tool_version=version("kindred"),
    )
    document = retention_record(facts, signer)
    digest = content_digest(document)
    append_note(
        runtime.database, f"{KIND}_record", {"run": runtime.run.id, "digest": digest}, runtime.run.started_at,
        note_id=content_digest([f"{KIND}_record", runtime.run.id, digest]),
    )  # fmt: skip
    shutil.rmtree(done, ignore_errors=True)
    return {"record": document}


def _searched(runtime: Runtime, done: Path) -> ScanReport:
    """Return what is found of some of the keys that went, in every byte of the stores; nothing may be."""
    needles = _needles(runtime, done)
    shutil.rmtree(done)  # its work tables hold what is looked for
    drop_scratch(runtime.workspace.state_path / "work")
    places = [
        place
        for store in stores(runtime, KIND, {}, at_once=True)
        for place in store.places().scanned
        if place.kind != "spool" and place.store.partition(".")[0] not in {"corrections", "destination"}
    ]
    with copied(runtime.workspace), spelled_out(runtime.workspace, runtime.database):
        report = without_ids_in_the_log(scan(places, needles))
    left = sorted({f"{hit.store}/{hit.file} ({hit.where})" for hit in report.hits})
    left += [f"{place.store}/{name} was not read" for place in report.places for name in place.unscanned]
    if left:
        raise WentAndIsThere(dict.fromkeys(left[:5], 1))
    return report


def _needles(runtime: Runtime, done: Path) -> Needles:
    """Return some of the keys that went and that nothing else bears: of events and records, and ids of nobody."""
    lake = runtime.workspace.lake_path
    keys = {row["key"] for table in (RECORDS, EVENTS) for row in _some(done.glob(f"past-*/held-*/{table.name}"))}
    standing: set[str] = set()
    for table, column in ((RECORDS, "key"), (EVENTS, "message_id")):
        for batch in shelf.batches(lake, table, columns=[column, "identifiers"]):
            values = pc.struct_field(pc.list_flatten(batch.column("identifiers")), "value")
            for told in (batch.column(column), values):
                wanted = pa.array(sorted(keys), type=told.type)
                standing.update(told.filter(pc.is_in(told, value_set=wanted)).to_pylist())
    ids = [one for part in _ids(done / "nobody") for one in part][:_NEEDLES]
    return Needles.of(sorted(keys - standing), ids=ids)


def _some(folders: Any) -> Iterator[Mapping[str, Any]]:
    left = _NEEDLES
    for file in (file for folder in folders for file in sorted(folder.glob("*.parquet"))):
        for batch in pq.ParquetFile(file).iter_batches(_AT_ONCE, columns=["key", "held"]):
            rows = [row for row in batch.to_pylist() if not row["held"]][:left]
            yield from rows
            left -= len(rows)
            if not left:
                return


def _ids(path: Path) -> Iterator[list[str]]:
    for file in sorted(path.glob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(_AT_ONCE):
            yield [str(one) for one in batch.column("id").to_pylist()]


def _aging(runtime: Runtime, folder: Path) -> tuple[Aging, tuple[str, ...]]:
    """Return the facts as a maintenance sees them now, and the holds that stand, in words."""
    tokens, words = holds.tokens_held(runtime.database, runtime.run.started_at)
    ruled = periods.periods(runtime.workspace, None)
    held = _held(runtime, tokens) if tokens and ruled.rules else None
    digest = content_digest([sorted(tokens), list(words)])[:16]
    return Aging(runtime, folder, ruled, partial(last_activity, runtime.lake), held, digest), words


def _held(runtime: Runtime, tokens: Any) -> Subject:
    return everybody(runtime.workspace, sorted(tokens))


def _books(runtime: Runtime, *, act: bool) -> Iterator[dict[str, Any]]:
    """Yield what of the stores in the database is past, and let it go where wanted."""
    rules = load_retention(runtime.workspace)
    for book in BOOKS:
        rule = next(iter(ranked(rules, book.STORE.table, None)), None)
        if rule is not None:
            past, rows = book.past(runtime.database, rule.keep.before(runtime.run.started_at), act=act)
            yield {"table": book.STORE.table, "past": past, "held": 0, "rows": rows}


def _ruled(runtime: Runtime, known: Sequence[Kept]) -> bool:
    tables = {one.table for one in known}
    return any(rule.table in tables for rule in load_retention(runtime.workspace))


def _summary(runtime: Runtime, step: str) -> dict[str, Any]:
    """Return what an earlier step of this run had to say."""
    steps = Runs(runtime.database, system_clock).get(runtime.run.id).steps
    return next((dict(one["summary"]) for one in steps if one["name"] == step), {"tables": [], "holds": []})


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.state_path / "work" / name


def _files(lake: Path) -> int:
    return sum(1 for path in lake.rglob("*") if path.is_file())
