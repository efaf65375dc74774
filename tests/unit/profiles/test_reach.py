from profiles.reach import link_class, proven


def test_proof_is_followed_in_both_directions() -> None:
    assert proven("a", [("a", "b"), ("c", "b")]) == {"a", "b", "c"}


def test_proof_ends_after_so_many_edges() -> None:
    chain = [(str(n), str(n + 1)) for n in range(9)]
    assert proven("0", chain, hops=3) == {"0", "1", "2", "3"}


def test_what_no_proof_reaches_is_probable() -> None:
    verified = proven("a", [("a", "b"), ("x", "y")])
    assert [link_class(r, "a", verified) for r in ("a", "b", "y")] == ["own", "verified", "probable"]
