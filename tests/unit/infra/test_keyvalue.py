"""Readers of the serving store see one whole generation, and what was not committed does not exist."""

from pathlib import Path

import pytest

from infra.errors import Missing
from infra.keyvalue import LmdbWriter, Overlay
from infra.serving.embedded import Generations


def test_a_generation_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    with pytest.raises(Missing):
        generations.current()
    with generations.building("1") as one:
        one.put(b"a", b"1")
    generations.publish("1")
    reader = generations.current()
    assert reader.get(b"a") == b"1"
    building = generations.building("2")
    building.__enter__().put(b"a", b"2")
    assert not building.__exit__(RuntimeError, RuntimeError(), None)
    assert generations.current().get(b"a") == b"1"
    with generations.building("2") as two:
        two.put(b"a", b"2")
    assert generations.current() is reader
    generations.publish("2")
    assert generations.current().get(b"a") == b"2"
    assert reader.get(b"a") == b"1"


def test_many_puts_are_committed_in_batches(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "s", durable=False) as writer:
        for index in range(12_345):
            writer.put(b"k%05d" % index, b"v")
    from infra.keyvalue import LmdbReader

    assert sum(1 for _ in LmdbReader(tmp_path / "s").items(b"k")) == 12_345


def test_the_overlay_is_seen_at_once_and_cleared_by_key(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path)
    overlay.put(b"x", b"1")
    assert overlay.get(b"x") == b"1"
    assert overlay.items() == [(b"x", b"1")]
    overlay.delete([b"x"])
    assert overlay.get(b"x") is None
