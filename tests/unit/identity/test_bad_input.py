"""What no sane source sends: crowds under one value, endless chains, nothing at all, words that contradict each other.

Each is resolved whole by the engine of one machine, with the default configuration, within a bound of time and memory.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake
from worlds import Lake

from identity.config import IdentityConfig
from identity.engine.batch import Counts
from identity.tables import MODEL_REGISTRY, RECORD_FEATURES
from infra import shelf
from infra.arrow import schema
from infra.errors import Broken

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
FEATURES = schema(RECORD_FEATURES)
VALUE = FEATURES.field("identifiers").type.value_type
TIMES = 3 if NIGHTLY else 1


class Shelf(Lake):
    """The tables of identity in memory, and an engine for every batch."""

    def take(
        self, fresh: pa.Table, gone: Sequence[str] = (), wishes: Sequence[tuple[str, str, str]] = (), version: str = ""
    ) -> Counts:
        """Resolve one batch and keep what it writes."""
        counts = self.resolve(fresh, gone, wishes, [], version)
        self.commit(set(wishes))
        return counts

    def profile_of(self) -> dict[str, str]:
        found = self.tables["membership"]
        return dict(zip(found["record_key"].to_pylist(), found["profile_id"].to_pylist(), strict=True))


@pytest.fixture
def shelf_of(identity_config: IdentityConfig) -> Shelf:
    return Shelf(identity_config)


def records(number: int, identifiers: Sequence[np.ndarray[Any, Any]], first: int = 0, **said: Any) -> pa.Table:
    """Return so many records that say the same and carry, each in turn, one email of every list."""
    keys = pa.array([f"k{first + n:07d}" for n in range(number)])
    width = len(identifiers)
    values = pa.array(np.stack(identifiers, axis=1).ravel() if width else [], pa.string())
    kinds = pa.array(["email"] * (number * width), pa.string())
    tokens = pc.binary_join_element_wise("1", kinds, values, ":")
    said_of = {"type": kinds, "value": values, "token": tokens}
    parts = [said_of.get(field.name, pa.nulls(number * width, field.type)) for field in VALUE]
    structs = pa.StructArray.from_arrays(parts, fields=list(VALUE))
    listed = pa.ListArray.from_arrays(pa.array(np.arange(number + 1) * width, pa.int32()), structs)
    told: dict[str, Any] = {
        "record_key": keys, "source": pa.array(["crm"] * number), "key": keys, "content_hash": keys,
        "kind": pa.array(["person"] * number), "known": pa.array([True] * number),
        "bare": pa.array([not said] * number), "given_known": pa.array([False] * number),
        "arrival": pa.array(np.arange(first, first + number)), "identifiers": listed.cast(FEATURES.field("identifiers").type),
    }  # fmt: skip
    empty = pa.array([[]] * number, pa.list_(pa.string()))
    told |= dict.fromkeys(("given_forms", "emails", "phones", "numbers"), empty)
    told |= {name: value if isinstance(value, pa.Array) else pa.array([value] * number) for name, value in said.items()}
    blank = {field.name: pa.nulls(number, field.type) for field in FEATURES if field.name not in told}
    return pa.table({name: {**told, **blank}[name] for name in FEATURES.names}, schema=FEATURES)


def named(prefix: str, numbers: Any) -> np.ndarray[Any, Any]:
    return np.array([f"{prefix}{n}@example.org" for n in numbers], dtype=object)


@contextmanager
def bounded(seconds: float, megabytes: int) -> Iterator[None]:
    """Fail where what is done within takes longer, or needs more memory than there was before."""
    status = Path("/proc/self/status")
    before = _memory(status, "VmRSS")
    if status.exists():
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from now on
    begun = time.monotonic()
    yield
    took, grown = time.monotonic() - begun, _memory(status, "VmHWM") - before
    print(f"{took:.1f} s, {grown} MB more at the peak")
    assert took < seconds
    assert grown < megabytes


def _memory(status: Path, line: str) -> int:
    found = re.search(rf"{line}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) // 1024 if found else 0


@pytest.mark.parametrize("said", [{}, {"given_name": "ann"}])
def test_a_value_that_a_crowd_shares_ties_nobody(shelf_of: Shelf, said: Mapping[str, Any]) -> None:
    crowd = 50_000 * TIMES
    shared = named("info-desk", np.zeros(crowd, dtype=int))
    with bounded(60 * TIMES, 1_500 * TIMES):
        counts = shelf_of.take(records(crowd, [shared], **said))
        assert counts.candidates == counts.edges == 0
        counts = shelf_of.take(records(10, [shared[:10]], first=crowd, **said))
        assert counts.changed == counts.touched == counts.closed == 10
        assert len(set(shelf_of.profile_of().values())) == crowd + 10


def test_a_value_is_itself_again_once_the_crowd_is_gone(shelf_of: Shelf) -> None:
    crowd = 50_000
    shelf_of.take(records(crowd, [named("info-desk", np.zeros(crowd, dtype=int))]))
    with bounded(60, 1_500):
        counts = shelf_of.take(FEATURES.empty_table(), gone=[f"k{n:07d}" for n in range(2, crowd)])
        assert counts.touched == crowd
        assert shelf_of.profile_of() == {"k0000000": "k0000000", "k0000001": "k0000000"}


@pytest.mark.parametrize("said", [{}, {"given_name": "ann", "family_name": "carver", "birth_date": "1980-02-03"}])
def test_an_endless_chain_is_cut_and_no_link_of_it_is_lost(shelf_of: Shelf, said: Mapping[str, Any]) -> None:
    length = 100_000 * TIMES
    links = np.arange(length)
    with bounded(120 * TIMES, 2_500 * TIMES):
        counts = shelf_of.take(records(length, [named("a", links // 2), named("b", (links + 1) // 2)], **said))
        assert (counts.components, counts.largest, counts.edges) == (1, length, length - 1)
        sizes = np.unique(list(shelf_of.profile_of().values()), return_counts=True)[1]
        assert sizes.max() <= shelf_of.config.limits.jumbo


def test_a_steward_s_endless_chain_is_one_person(shelf_of: Shelf) -> None:
    length = 20_000 * TIMES
    order = np.random.default_rng(7).permutation(length)
    pairs = [(f"k{min(pair):07d}", f"k{max(pair):07d}") for pair in pairwise(order)]
    with bounded(60 * TIMES, 1_500 * TIMES):
        shelf_of.take(records(length, [], given_name="ann"), wishes=[("must_link", a, b) for a, b in pairs])
        assert set(shelf_of.profile_of().values()) == {"k0000000"}


def test_nobody_is_known_by_a_given_name(shelf_of: Shelf) -> None:
    crowd = 20_000 * TIMES
    with bounded(30 * TIMES, 1_000 * TIMES):
        counts = shelf_of.take(records(crowd, [], given_name="ann", given_forms=pa.array([["ann"]] * crowd)))
        assert counts.candidates == counts.edges == counts.components == 0
        assert len(set(shelf_of.profile_of().values())) == crowd


def test_nothing_and_one_record_are_batches_too(shelf_of: Shelf) -> None:
    nothing = FEATURES.empty_table()
    assert shelf_of.take(nothing) == Counts(0, 0, 0, 0, 0, 0, 0)
    assert shelf_of.take(nothing, gone=["never-was"]).closed == 0
    one = records(1, [named("a", [1])])
    assert shelf_of.take(one).closed == 1
    assert shelf_of.profile_of() == {"k0000000": "k0000000"}
    before = dict(shelf_of.tables)
    shelf_of.take(nothing)
    assert all(shelf_of.tables[name].equals(rows) for name, rows in before.items())
    shelf_of.take(nothing, gone=["k0000000"])
    assert shelf_of.profile_of() == {}


def test_words_that_contradict_each_other_fail_no_batch_and_bind_in_any_order(identity_config: Any) -> None:
    """The desk refuses them; should a database hold them nevertheless, who is bound is one."""
    bound = [("must_link", "k0000000", "k0000001"), ("must_link", "k0000001", "k0000002")]
    apart = [("cannot_link", "k0000000", "k0000002"), ("cannot_link", "k0000002", "k0000003")]
    for wishes in ([*bound, *apart], [*apart, *reversed(bound)]):
        shelf = Shelf(identity_config)
        shelf.take(records(4, [named("a", [0, 0, 1, 1])], given_name="ann"), wishes=wishes)
        assert shelf.profile_of() == {f"k{n:07d}": "k0000003" if n == 3 else "k0000000" for n in range(4)}


def test_another_model_takes_the_place_of_the_one_before(identity_config: Any) -> None:
    shelf = Shelf(identity_config)
    pair = records(2, [named("a", [0, 0])])
    shelf.take(pair)
    shelf.tables["posting_index"] = shelf.tables["posting_index"].slice(0, 0)
    shelf.tables["edges"] = shelf.tables["edges"].slice(0, 0)
    events = shelf.tables["identity_events"].num_rows
    shelf.model = replace(shelf.model, prior=0.5)
    shelf.take(pair, version="another")
    assert set(shelf.tables["edges"]["model_version"].to_pylist()) == {"another"}
    assert shelf.tables["identity_events"].num_rows == events


def test_a_table_of_another_kindred_is_told_by_its_missing_column(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / MODEL_REGISTRY.name), pa.table({"model": ["{}"], "batch": [1]}))
    with pytest.raises(Broken, match="table model_registry lacks model_version, trained_at"):
        shelf.reader(tmp_path, MODEL_REGISTRY, columns=["model_version", "trained_at", "batch"])
