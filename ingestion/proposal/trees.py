"""The rows of a JSON file of any wrapping: one object a line, an array, or an array inside an object."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from consent.discovery.evident import tellable
from ingestion.arrays import NoArray, entries
from ingestion.packed import open_bytes
from ingestion.proposal.looked import Looked, NotUnderstood, ended, unusable
from ingestion.read import json_tree

_COLUMNS: Final = 500
_DEPTH: Final = 12


def json_rows(path: Path, name: str, head: bytes, most: int) -> Looked | None:
    """Return the rows of a JSON file of either kind, or None where it is none after all."""
    first, _, rest = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    tree = _tree(first)
    if isinstance(tree, dict) and (not rest.strip() or isinstance(_tree(rest.partition(b"\n")[0]), dict)):
        if {"op", "after"} <= set(tree) or {"op", "before"} <= set(tree) or {"payload", "schema"} <= set(tree):
            right = "declare it with format: debezium and the key of its table (docs/connectors.md)"
            raise NotUnderstood(name, "it holds changes as Debezium tells them, not rows", right)
        if _is_wrapper(tree) and not rest.strip():
            return _array(path, name, _steps(tree), most)
        return _ndjson(path, most)
    try:
        return _array(path, name, (), most)
    except NotUnderstood:
        pass
    if head.lstrip()[:1] == b"[" or b'"' not in head:
        return None
    whole = _whole(path)
    if isinstance(whole, dict):
        return _array(path, name, _steps(whole), most)
    raise NotUnderstood(
        name, "it begins like JSON and is not whole", "write one object a line, or one array of objects"
    )


def _tree(text: bytes) -> Any:
    try:
        return json_tree(text)
    except (ValueError, RecursionError):
        return None


def _whole(path: Path) -> Any:
    with open_bytes(path) as stream:
        return _tree(stream.read(1 << 28))


def _is_wrapper(tree: Mapping[str, Any]) -> bool:
    """Say whether an object is the wrapping of rows: it holds an array of several objects and little else."""
    steps = _steps(tree)
    return bool(steps) and len(tree) <= 6


def _steps(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the way to the longest array of objects in an object, three steps down at most."""
    found: list[tuple[int, tuple[str, ...]]] = []
    stack: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while stack:
        way, node = stack.pop()
        if isinstance(node, dict) and len(way) < 3:
            stack += [((*way, key), value) for key, value in node.items() if key and "." not in key]
        elif isinstance(node, list) and node and all(isinstance(one, dict) for one in node):
            found.append((len(node), way))
    return max(found, default=(0, ()))[1]


def _array(path: Path, name: str, steps: tuple[str, ...], most: int) -> Looked:
    try:
        found = entries(path, steps)
    except NoArray as error:
        raise NotUnderstood(name, str(error), "write one object a line, or one array of objects") from None
    trees = [tree for one in found[:most] if isinstance(tree := _tree(bytes(one)), dict)]
    if not trees:
        raise NotUnderstood(name, "its array holds no objects", "write one array of objects")
    connector = {"format": "json", **({"records": ".".join(steps)} if steps else {})}
    return _objects(path, connector, trees, len(found) - len(trees), more=len(found) > most)


def _ndjson(path: Path, most: int) -> Looked:
    trees: list[dict[str, Any]] = []
    faults, more = 0, False
    with open_bytes(path) as stream:
        for line in stream:
            if not line.strip():
                continue
            if len(trees) >= most:
                more = True
                break
            tree = _tree(line.removeprefix(b"\xef\xbb\xbf"))
            if isinstance(tree, dict):
                trees.append(tree)
            else:
                faults += 1
    return _objects(path, {"format": "ndjson"}, trees, faults, more=more)


def _objects(path: Path, connector: Mapping[str, str], trees: Sequence[Any], faults: int, *, more: bool) -> Looked:
    rows = [dict(_leaves(tree)) for tree in trees]
    counts = Counter(way for row in rows for way in row)
    most = dict.fromkeys(way for way, _ in counts.most_common(_COLUMNS))
    order = [way for way in dict.fromkeys(way for row in rows for way in row) if way in most]
    unfit: dict[str, str] = {}
    columns: dict[str, list[str | None]] = {}
    for way in order:
        told = ".".join(map(tellable, way))
        if ".".join(way) != told or any(not step or "." in step or step == "*" for step in way):
            unfit[told] = (
                "its name cannot be addressed by a path" if told == ".".join(way) else "it is named by a value"
            )
        elif all(row.get(way) is _LIST or row.get(way) is None for row in rows):
            unfit[told] = "it holds lists; only single values are mapped"
        else:
            columns[told] = [None if (v := row.get(way)) is _LIST else v for row in rows]
    bad = unusable(list(columns))
    notes = (f"{faults:,} entries are no JSON objects; they will go to quarantine",) if faults else ()
    if len(counts) > _COLUMNS:
        notes = (*notes, f"{len(counts) - _COLUMNS:,} paths that few objects have were not looked at")
    kept = {name: values for name, values in columns.items() if name not in bad}
    return ended(path, connector, len(rows), kept, {**unfit, **bad}, notes, more=more)


_LIST: Final = object()


def _leaves(tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the way to every single value of an object with its text; of a list only that it is one."""
    stack: list[tuple[tuple[str, ...], Any]] = [((str(key),), value) for key, value in reversed(list(tree.items()))]
    while stack:
        way, node = stack.pop()
        if isinstance(node, dict) and len(way) < _DEPTH:
            stack += [((*way, str(key)), below) for key, below in reversed(list(node.items()))]
        elif isinstance(node, str):
            yield way, node
        elif isinstance(node, bool):
            yield way, "true" if node else "false"
        elif isinstance(node, dict | list):
            yield way, _LIST
        elif node is not None:
            yield way, json.dumps(node)
