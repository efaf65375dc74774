"""The rules of the house that imports alone cannot show; each docstring tells the leak that it prevents."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("activation", "api", "consent", "identity", "infra", "ingestion", "profiles")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# Where rows may come to the driver, and why they are few: (file, function) -> reason.
SMALL_ANSWERS = {
    ("identity/engine/distributed.py", "_spread"): "two numbers that tell one state of a graph from another",
    ("identity/activity.py", "_resolved"): "one number",
    ("identity/jobs.py", "_summary"): "two sums, and a count for each kind of change",
    ("ingestion/again/against.py", "counted"): "a count for each verdict beside what was said then",
    ("ingestion/again/against.py", "_places"): "three places for each verdict that differs",
    ("ingestion/again/compare.py", "_difference"): "six counts",
    ("ingestion/again/compare.py", "_rejections"): "a count for each rule",
    ("ingestion/again/shadow.py", "_accounts"): "a count for each source",
    ("ingestion/windows.py", "repeated"): "the first and the last moment",
    ("ingestion/connectors/jdbc.py", "reached"): "a count and a digest",
    ("ingestion/connectors/jdbc.py", "_end"): "the lowest or highest value of a column",
    ("ingestion/feed.py", "_accounts"): "a count for each file",
    ("ingestion/feed.py", "_notes"): "a count for each kind of note",
    ("ingestion/retention.py", "find"): "two counts for each table",
    ("profiles/feed.py", "newest_moment"): "one moment",
}
GATHERING = {"collect", "toPandas", "toLocalIterator", "first", "take", "head", "toArrow"}


def calls(path: Path) -> Iterator[tuple[str, str, int]]:
    """Yield the function, the method it calls and the line, for every method call of a file."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                spoken = node.func.value
                # `f.first(column)` is an expression, `frame.first()` brings a row.
                if not (isinstance(spoken, ast.Name) and spoken.id in {"f", "pc", "heapq"}):
                    yield function.name, node.func.attr, node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_long(path: Path) -> None:
    """A file of four hundred lines has more than one subject."""
    assert len(path.read_text().splitlines()) <= 400


def test_rows_of_persons_never_come_to_the_driver() -> None:
    """A `collect` of profiles works in the demo and ends the driver at ten times the size."""
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in FILES
        if "pyspark" in path.read_text()
        for function, name, line in calls(path)
        if name in GATHERING and (str(path.relative_to(ROOT)), function) not in SMALL_ANSWERS
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_face_has_no_code(package: str) -> None:
    """A package's `__init__` that imports pulls Spark into the serving process one day."""
    body = ast.parse((ROOT / package / "__init__.py").read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


def test_no_package_of_another_owner_lies_over_ours() -> None:
    """The public index has distributions named `identity` and `consent`; pip lays two over each other silently."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    assert {name: owners.get(name) for name in PACKAGES if set(owners.get(name, ["kindred"])) != {"kindred"}} == {}


def test_plans_take_no_action() -> None:
    """A count or a write inside a plan runs the job twice, unseen."""
    actions = GATHERING | {"count", "write", "cache", "persist", "show", "foreach", "foreachPartition"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.func.attr}"
        for path in FILES
        if path.stem == "transforms" or path.parent.name == "transforms"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in actions
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id in {"f", "F"})
        and not (node.func.attr == "count" and isinstance(node.func.value, ast.Call) and "agg" in ast.dump(node))
    ]
    assert found == []
