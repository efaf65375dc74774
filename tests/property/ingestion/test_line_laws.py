"""The quick way through a JSON line says what the plain rules say, of whatever line in whatever company."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.lines import Lines
from ingestion.read import json_row, paths_of

NAMES = ("a", "b", "c", "a.b", "a.*", "a.b.c", "a.b.*", "b.a", "c.c.c", "*", 'q"', "é.ö", "", "a.")
words = st.sampled_from(["a", "b", "c", "é", "ö", "", 'q"', "*", "z"])
texts = st.one_of(
    st.text(max_size=8), st.sampled_from(["", "0", "null", "\ud800", "\ude00\ud83d", "😀", "a\x00", "\x7f", "\x85"])
)
digits = st.sampled_from(["0", "-0", "1", "-12", "1.50", "1e5", "1E+400", "9" * 40, "01", "1.", ".5", "+1", "NaN", "-"])


class Digits(str):
    """A number as it is to be written."""

    __slots__ = ()


leaves = st.one_of(texts, digits.map(Digits), st.none(), st.booleans())
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(st.tuples(words, inner), max_size=4).map(lambda pairs: ("object", pairs))
    ),
    max_leaves=8,
)
objects = st.lists(st.tuples(words, trees), max_size=5).map(lambda pairs: ("object", pairs))


def spelled(tree: Any, *, escaped: bool) -> str:
    """Return a tree as JSON, names as often as they come; broken where its numbers or texts are."""
    if isinstance(tree, tuple):
        pairs = (f"{json.dumps(n, ensure_ascii=escaped)}:{spelled(v, escaped=escaped)}" for n, v in tree[1])
        return "{" + ", ".join(pairs) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(spelled(one, escaped=escaped) for one in tree) + "]"
    return str(tree) if isinstance(tree, Digits) else json.dumps(tree, ensure_ascii=escaped)


@st.composite
def lines(draw: Any) -> bytes:
    """Draw a line: mostly an object, at times of damaged bytes, of another encoding, or nested beyond reach."""
    text = spelled(draw(st.one_of(objects, objects, trees)), escaped=draw(st.booleans()))
    data = draw(st.sampled_from(["", " ", "\t", "\ufeff", "\x0b", "\u2028"])).encode() + text.encode(
        "utf-8", "surrogatepass"
    )
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 2)) :]
    return data + draw(st.sampled_from([b"\n", b"\r\n", b"", b" x\n"]))


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), st.lists(lines(), max_size=6))
@example(["a", "b"], [b'{"a": 1.50, "b": "x"}', b'{"a": "1.50"}', b'{"a": {"b": 1, "b": 2}, "b": false}'])
@example(["a"], [b'{"z":' + b"[" * 900 + b"]" * 900 + b"}", b'{"a":' + b'{"a":' * 700 + b"1" + b"}" * 701])
def test_the_quick_way_is_the_plain_rules(columns: list[str], told: list[bytes]) -> None:
    quick, paths = Lines(columns), paths_of(columns)
    for line in told:
        fault, text, row = json_row(line, paths)
        found = quick.row(line)
        assert (found[0], found[1], found[2] and list(found[2])) == (fault, text, row and list(row)), line
