"""The tree against RFC 9162, the vectors of Certificate Transparency, and another implementation."""

import hashlib
import random

import pymerkle
import pytest

from consent.ledger import tiles
from consent.ledger.merkle import (
    EMPTY,
    Frontier,
    consistency,
    consistent,
    included,
    inclusion,
    leaf_hash,
    node_hash,
    root,
)

# The entries and roots that the reference implementation of Certificate Transparency publishes for its tests.
ENTRIES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip # noqa: E501
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % n) for n in range(size)]


def naive(data: list[bytes]) -> bytes:
    """MTH as the RFC writes it."""
    if len(data) < 2:
        return data[0] if data else EMPTY
    middle = 1 << ((len(data) - 1).bit_length() - 1)
    return node_hash(naive(data[:middle]), naive(data[middle:]))


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots(size: int) -> None:
    hashes = [leaf_hash(entry) for entry in ENTRIES[:size]]
    assert root(size, tiles.of(hashes).node).hex() == ROOTS[size]


def test_the_published_proofs() -> None:
    node = tiles.of([leaf_hash(entry) for entry in ENTRIES]).node
    assert [h.hex() for h in inclusion(0, 8, node)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [h.hex() for h in consistency(6, 8, node)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_roots_of_every_size_by_every_way() -> None:
    every, other, frontier = leaves(257), pymerkle.InmemoryTree(algorithm="sha256"), Frontier()
    grown = tiles.Tiles()
    whole = tiles.of(every)
    for size in range(258):
        assert root(size, whole.node) == root(size, grown.node) == frontier.root() == naive(every[:size])
        if size < 257:
            other.append_entry(b"entry %d" % size)
            frontier.add(every[size])
            grown.extend([every[size]])
            assert other.get_root() == frontier.root()


def test_proofs_of_every_size_agree_with_another_implementation_and_verify() -> None:
    other = pymerkle.InmemoryTree.init_from_entries([b"entry %d" % n for n in range(257)], algorithm="sha256")
    every = leaves(257)
    node = tiles.of(every).node
    drawn = random.Random(7)  # noqa: S311 - a sample, not a secret
    for size in range(1, 258):
        head = root(size, node)
        for index in {0, size - 1, drawn.randrange(size)}:
            proof = inclusion(index, size, node)
            assert included(every[index], index, size, proof, head)
            theirs = other.prove_inclusion(index + 1, size)
            assert list(proof) == theirs.path[1:] or size == 1
            assert not included(leaf_hash(b"another"), index, size, proof, head)
            if proof:
                assert not included(every[index], index, size, proof[:-1], head)
                assert not included(every[index], index, size, (*proof[:-1], bytes(32)), head)
            assert not included(every[index], index, size, (*proof, bytes(32)), head)
            assert not included(every[index], index + size, size, proof, head)
        for first in {0, 1, size, drawn.randrange(size + 1), 1 << (size.bit_length() - 1)}:
            proof = consistency(first, size, node)
            before = root(first, node)
            assert consistent(first, size, proof, before, head), (first, size)
            if 0 < first < size:
                pymerkle.verify_consistency(before, head, other.prove_consistency(first, size))
                assert not consistent(first, size, proof, leaf_hash(b""), head)
                assert not consistent(first, size, proof, before, leaf_hash(b""))
                assert not consistent(first, size, proof[:-1], before, head)
                assert not consistent(first, size, (*proof, bytes(32)), before, head)


def test_a_leaf_beyond_the_tree_has_no_proof() -> None:
    node = tiles.of(leaves(3)).node
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion(index, size, node)
        assert not included(b"", index, size, (), EMPTY)
    with pytest.raises(ValueError, match="no beginning"):
        consistency(4, 3, node)
    assert not consistent(4, 3, (), EMPTY, EMPTY)


@pytest.mark.parametrize("steps", [(1, 255, 1, 300, 70_000), (65_535, 2, 1_000), (256, 256, 65_024, 1)])
def test_a_tree_that_grew_from_its_edge_alone_is_the_tree_built_at_once(steps: tuple[int, ...]) -> None:
    every = leaves(sum(steps))
    kept: dict[int, bytes] = {}
    size = 0
    for step in steps:
        grown = tiles.Tiles(size, {tile: kept[tile] for tile in tiles.edge(size)})
        grown.extend(every[size : size + step])
        kept |= {tile: bytes(grown.held[tile]) for tile in grown.changed}
        size += step
        assert root(size, tiles.Tiles(size, kept).node) == root(size, grown_whole(every[:size]).node)
    whole = grown_whole(every)
    assert kept == {tile: bytes(content) for tile, content in whole.held.items()}
    for index in (0, 1, 255, 256, size // 2, size - 1):
        near = tiles.Tiles(size, {tile: kept[tile] for tile in tiles.around(index, size)})
        assert included(every[index], index, size, inclusion(index, size, near.node), root(size, near.node))


def grown_whole(hashes: list[bytes]) -> tiles.Tiles:
    return tiles.of(hashes)


def test_leaf_and_node_can_never_be_taken_for_each_other() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right) != hashlib.sha256(left + right).digest()
