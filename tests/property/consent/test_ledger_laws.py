"""Laws of the sealed ledger: any byte changed is found where it is; any tree's proofs verify and no others do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import store
from consent.ledger import tiles, vault
from consent.ledger.export import export
from consent.ledger.leaf import leaf_of, spelled
from consent.ledger.merkle import Frontier, consistency, consistent, included, inclusion, leaf_hash, root
from consent.ledger.sealer import append_note, seal
from consent.ledger.subject_keys import SubjectKeys
from consent.ledger.verify import verify_export
from consent.model import ConsentEntry
from infra.database import open_database
from infra.ids import Purpose, Sid, Token
from infra.signing import Signer, canonical

AT = datetime(2026, 5, 1, tzinfo=UTC)
SIGNER = Signer.of(bytes(range(32)))
ENTRY = ConsentEntry(
    id="",
    sid=Sid(""),
    identifier_kind="email",
    purpose=Purpose("analytics"),
    action="given",
    mechanism="centre",
    occurred_at=AT,
    received_at=AT,
    notice_id='terms "½" \\ \n',
    evidence="form",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An export of nine entries and a note under four heads."""
    folder = tmp_path_factory.mktemp("ledger")
    database = open_database(f"sqlite:///{folder}/k.db", store.METADATA)
    keys = SubjectKeys.open(folder / "keys.db", bytes(32))
    vault.attach(database, keys)
    for batch in range(3):
        words = [replace(ENTRY, id=f"{batch}{n}", received_at=AT + timedelta(seconds=n)) for n in range(3)]
        store.append(database, [store.Said(Token(f"1:{one.id}"), one) for one in words], store.secret_sid)
        if batch == 1:
            append_note(database, "step", {"request": "r1", "states": ["frozen", "planned"]}, AT)
        seal(database, SIGNER, lambda: AT, batch=3)
    export(database, SIGNER, folder / "export")
    keys.close()
    database.dispose()
    return (folder / "export").read_bytes()


def faulty(text: bytes, public: bytes | None = SIGNER.public) -> list[int | None]:
    return [fault.line for fault in verify_export(text.splitlines(keepends=True), public).faults]


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_found_in_its_line(exported: bytes, place: int, change: int) -> None:
    held_to(exported, place % len(exported), change)


@pytest.mark.nightly
@pytest.mark.parametrize("change", [1, 4, 32, 128])
def test_every_changed_byte_is_found_in_its_line(exported: bytes, change: int) -> None:
    for place in range(len(exported)):
        held_to(exported, place, change)


def held_to(exported: bytes, place: int, change: int) -> None:
    changed = bytearray(exported)
    changed[place] ^= change
    line = exported.count(b"\n", 0, place) + 1
    for public in (SIGNER.public, None):
        assert min(line for line in faulty(bytes(changed), public) if line) == line, (place, change)


def test_whoever_writes_leaves_anew_is_found_between_two_heads(exported: bytes) -> None:
    lines = exported.splitlines(keepends=True)
    assert faulty(exported) == faulty(exported, None) == []
    told = orjson.loads(lines[1])
    told["fields"]["action"] = "refused"
    commitment = bytes.fromhex(told["commitment"])
    told["leaf"] = leaf_of(told["fields"], commitment).hex()
    forged = [lines[0], spelled(told) + b"\n", *lines[2:]]
    heads = [number for number, line in enumerate(lines, start=1) if b'"kind":"head"' in line]
    assert faulty(b"".join(forged)) == heads[:1]


@pytest.mark.parametrize("what", ["left out", "twice", "swapped", "cut off", "cut at a head", "added", "head left out"])
def test_a_line_that_is_missing_or_too_many_is_found(exported: bytes, what: str) -> None:
    lines = exported.splitlines(keepends=True)
    head = next(at for at, line in enumerate(lines) if b'"kind":"head"' in line)
    last = max(at for at, line in enumerate(lines[:-1]) if b'"kind":"head"' in line)
    changed = {
        "left out": [*lines[:2], *lines[3:]],
        "twice": [*lines[:2], *lines[1:]],
        "swapped": [lines[0], lines[2], lines[1], *lines[3:]],
        "cut off": lines[:-2],
        "cut at a head": lines[: last + 1],
        "added": [*lines, lines[1]],
        "head left out": [*lines[:head], *lines[head + 1 :]],
    }[what]
    found = faulty(b"".join(changed))
    # Heads in between only narrow down where a forger was; the last one vouches for everything before it.
    assert (found == []) == (what == "head left out")


def test_another_signer_or_the_same_leaves_under_another_key_are_found(exported: bytes) -> None:
    assert set(faulty(exported, Signer.of(bytes(32)).public)) >= {1}


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=700), st.data())
def test_every_proof_of_any_tree_verifies_and_no_other(data: list[bytes], draw: Any) -> None:
    hashes = [leaf_hash(one) for one in data]
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(hashes)), max_size=4)))
    grown = tiles.Tiles()
    for start, end in zip([0, *cuts], [*cuts, len(hashes)], strict=True):
        grown.extend(hashes[start:end])
    frontier = Frontier()
    for leaf in hashes:
        frontier.add(leaf)
    size = draw.draw(st.integers(1, len(hashes)))
    head = root(size, grown.node)
    assert root(len(hashes), grown.node) == frontier.root()
    index = draw.draw(st.integers(0, size - 1))
    near = tiles.Tiles(size, {tile: bytes(grown.held[tile]) for tile in tiles.around(index, size)})
    proof = inclusion(index, size, near.node)
    assert included(hashes[index], index, size, proof, head)
    wrong = draw.draw(st.integers(0, size - 1))
    assert included(hashes[index], wrong, size, proof, head) == (wrong == index)
    first = draw.draw(st.integers(1, size))
    near = tiles.Tiles(size, {tile: bytes(grown.held[tile]) for tile in tiles.around(first - 1, size)})
    proof = consistency(first, size, near.node)
    before = root(first, grown.node)
    assert consistent(first, size, proof, before, head)
    if before != head:
        assert not consistent(first, size, proof, head, before)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_VALUES = st.recursive(
    _TEXT | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_", max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcdefgh_09", max_size=8), _VALUES, max_size=6))
def test_the_quick_spelling_is_the_canonical_one(fields: dict[str, Any]) -> None:
    assert spelled(fields) == canonical(fields)
