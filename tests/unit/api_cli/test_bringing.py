"""What a publication brings along beside what was built: the log, and ids that began online; and what it needs not."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

import infra.runs
from api.cli import bringing, pipeline
from infra.database import open_database
from infra.runs import Runs, Step
from infra.serving.embedded import Generations
from profiles.jobs import Built
from profiles.online.carry import given_out
from profiles.serving import alias_key, header_key


def built(store: Generations, name: str) -> None:
    with store.building(name) as writer:
        writer.put(header_key("p-0"), b"0" * 64)


def test_a_damaged_generation_stops_no_publication_and_it_is_said(tmp_path: Path) -> None:
    store = Generations(tmp_path)
    said: list[str] = []
    built(store, "g1")
    store.publish("g1")
    built(store, "g2")
    live = store.live()
    with live.change() as change:
        change.put(header_key("p-1"), b"before" * 64)
    live.close()
    file = tmp_path / "g1" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"before", b"behind"))
    runtime: Any = SimpleNamespace(say=said.append)
    newer = store.live("g2")
    bringing._carry(runtime, store, "g1", newer)
    newer.close()
    (line,) = said
    assert "g1 cannot be read (Altered)" in line
    assert "answer no longer" in line


def test_an_id_that_began_online_is_carried_on_whoever_it_became(tmp_path: Path) -> None:
    """It came through one publication as a visitor's, who logged in since: it stands for the person's identifiers."""
    store = Generations(tmp_path)
    with store.building("g1") as writer:
        writer.put(header_key("visitor"), orjson.dumps({"tokens": {"cookie": "own"}}))
        writer.put(header_key("person"), orjson.dumps({"tokens": {"cookie": "verified", "email": "own"}}))
    store.publish("g1")
    live = store.live()
    with live.change() as change:
        change.put(alias_key("began", "visitor"), b"")
        change.put(alias_key("visitor", "person"), b"")
        change.delete(header_key("visitor"))
    live.close()
    assert given_out(store.reader("g1")) == dict.fromkeys(("began", "visitor"), ("cookie", "email"))


def test_what_was_taken_in_behind_the_last_whole_run_is_no_part_of_what_it_built(tmp_path: Path) -> None:
    """Events that only an ingest has seen are in the log for whoever publishes once more what was built before."""
    at = datetime(2026, 11, 2, tzinfo=UTC)
    database = open_database(f"sqlite:///{tmp_path}/kindred.db", infra.runs.METADATA)
    runs = Runs(database, lambda: at)

    def ran(job: str, wrote: dict[str, Any]) -> Any:
        run_id = runs.submit(job, {})
        row = runs.begin_next({}, None)
        runs.record_step(run_id, Step("ingest", 1.0, {"wrote": wrote}))
        runs.finish(run_id)
        return row

    whole = ran("run", {"events": {"version": 3}})
    built = Built(whole.id, whole.number, at, {"events": 3})
    only = ran("ingest", {"events": {"version": 4}})
    ran("ingest", {"records": {"version": 9}})
    failed = ran("run", {"events": {"version": 5}})
    runtime: Any = SimpleNamespace(database=database)
    assert pipeline.untaken(runtime, built) == {only.id, failed.id}
    assert pipeline.untaken(runtime, Built(failed.id, failed.number, at, {"events": 5})) == frozenset()
