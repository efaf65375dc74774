"""A publication after the disk has damaged the generation before it: nothing of it is needed to serve a new one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from api.cli import bringing
from infra.serving.embedded import Generations
from profiles.serving import header_key


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
