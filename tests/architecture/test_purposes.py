"""Whoever reads people names a purpose, or stands here with the ground on which none is needed."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("activation", "api", "consent", "identity", "infra", "ingestion", "profiles")

# The tables with a row a person, a record or an event; whoever reads another such table adds it here.
PEOPLE = {
    "RECORDS", "EVENTS", "QUARANTINE", "RECOVERED", "RECORD_FEATURES", "COOKIE_INTERVAL", "PROFILE_TRAITS",
    "PROFILE_VIEWS", "PROFILE_TIMELINE", "PROFILE_GRAPH", "PROFILE_TOKENS", "HABITS", "AUDIENCE_MEMBERS", "SYNC_STATE",
    "SYNC_CHANGE",
}  # fmt: skip
READING = {"read", "read_base", "batches", "reader", "lookup", "parquet_files", "_rows", "before", "base"}
# What a reader of served profiles shows of a person.
SHOWING = {"find", "view", "ready", "tagged", "timeline", "graph", "search"}
SHOWERS = {"profiles", "reader"}

# Whole packages: their one purpose is asked once, where they begin.
PACKAGE_GROUNDS = {
    "ingestion": "takes facts in; restricted tokens and the source's consent gate are asked at the row (judge.py)",
    "identity": "is the purpose identity_resolution: record_consent leaves out who may not be used (changes.py)",
}
GROUNDS = {
    ("activation/feed.py", "events"): "given to `permitted`, which asks for the purpose",
    ("activation/feed.py", "usable"): "returns the purpose beside each record; who joins it names theirs",
    ("activation/feed.py", "views"): "returns the purpose beside each view, of those who allow it",
    ("activation/jobs.py", "audiences"): "members before this run, whose rows carry the audience's purpose",
    ("activation/feed.py", "reference_moment"): "one moment of the build, the same in every row",
    ("activation/jobs.py", "sync"): "what was sent before, for the destination's purpose, in order to take it back",
    ("activation/jobs.py", "_wanted"): "members of audiences, each chosen under its audience's purpose",
    ("activation/jobs.py", "_deliver"): "the changes that `sync` worked out under the destination's purpose",
    ("activation/serving.py", "entries"): "habits, learnt from those who allow personalization and kept apart",
    ("api/cli/explaining.py", "_sources"): "which source a record is of, to draw what identity resolution did",
    ("api/cli/foreseeing.py", "_people"): "tokens and links, to ask another policy about every purpose",
    ("api/cli/foreseeing.py", "_places"): "jurisdictions, to ask another policy about every purpose",
    ("activation/erasure.py", "_in_state"): "whether a destination was ever told of anybody, and must be of an erasure",
    ("api/cli/linting.py", "_values"): "needles of the leak linter: looked for, never shown",
    ("api/cli/naming.py", "records_called"): "from a source's key to a record key, nothing else",
    ("api/cli/planning.py", "_audiences"): "counts of members that would be another person",
    ("api/cli/quality.py", "_names"): "which source and key a record has, for clerks of identity resolution",
    ("profiles/account.py", "_closed_views"): "counts",
    ("profiles/feed.py", "facts"): "what a build is made from; `scopes.usable` asks for each purpose",
    ("profiles/feed.py", "newest_moment"): "one moment",
    ("profiles/partings.py", "keep"): "record keys and tokens: refusals that restrict",
}  # fmt: skip
# Who may ask whose an identifier is without a purpose: nothing of the person is shown.
OWNER_GROUNDS = {
    ("api/http/centre/pages.py", "_ask"): "the person's own page asks whether the profile is theirs for certain",
    ("api/http/centre/pages.py", "_shown"): "the person's own page asks whether the profile is theirs for certain",
    ("api/http/memory.py", "choices"): "the double of the one below",
    ("api/http/wiring.py", "choices"): "what the person who holds the identifier may choose, by their own words",
    ("api/http/wiring.py", "decide"): "whose words count for a decision about consent itself",
}


def functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def calls(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def reads_people(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        name_of(call.func) in READING and any(name_of(argument) in PEOPLE for argument in call.args)
        for call in calls(function)
    )


def names_a_purpose(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether the code speaks of a purpose; what its docstring says does not count."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and "purpose" in node.id.lower():
            return True
        if isinstance(node, ast.arg | ast.keyword) and "purpose" in (node.arg or "").lower():
            return True
        if isinstance(node, ast.Attribute) and "purpose" in node.attr.lower():
            return True
        if isinstance(node, ast.Constant) and node.value == "purpose":
            return True
    return False


def unfounded(source: str) -> set[str]:
    return {one.name for one in functions(source) if reads_people(one) and not names_a_purpose(one)}


def shown_without_purpose(source: str) -> set[str]:
    """Return the functions that ask a reader for somebody by one argument alone: whom, and not what for."""
    return {
        function.name
        for function in functions(source)
        for call in calls(function)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in SHOWING
        and name_of(call.func.value).lstrip("_") in SHOWERS
        and len(call.args) + len(call.keywords) == 1
    }


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_a_path_that_reads_people_names_a_purpose() -> None:
    """A new reader of records or profiles shows people for no purpose, and nobody notices until one complains."""
    found = {
        (file, name)
        for file, source in sources()
        if file.partition("/")[0] not in PACKAGE_GROUNDS
        for name in unfounded(source)
    }
    assert found - GROUNDS.keys() == set(), "name the purpose, or write the ground down here"
    assert GROUNDS.keys() - found == set(), "these grounds have nothing left to excuse"


def test_a_reader_of_profiles_is_asked_for_a_purpose() -> None:
    """Whose an identifier is tells something about a person: that they are ours, and that the two belong together."""
    found = {(file, name) for file, source in sources() for name in shown_without_purpose(source)}
    assert found - OWNER_GROUNDS.keys() == set()
    assert OWNER_GROUNDS.keys() - found == set()


def test_the_rule_sees_what_it_is_for() -> None:
    bad = "def export(lake):\n    'For a purpose.'\n    return lake.read(PROFILE_VIEWS)\n"
    assert unfounded(bad) == {"export"}
    assert unfounded(bad.replace("(lake):", "(lake, purpose):")) == set()
    assert unfounded("def f(lake):\n    return shelf.batches(lake, tables.RECORDS, columns=['attributes'])\n") == {"f"}
    assert shown_without_purpose("def f(world):\n    return world.profiles.find(token)\n") == {"f"}
    assert shown_without_purpose("def f(world):\n    return world.profiles.find(token, purpose)\n") == set()
