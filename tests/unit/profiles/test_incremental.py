"""A generation that begins from the one before is the one that would be written whole, but that it keeps old tags."""

import copy
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from small_lake import AT, ROWS, graph, happened, view, write

from infra.serving.embedded import Generations
from infra.serving.store import UNDO
from profiles.publish import Edition, Put, publish_edition
from profiles.serving import FOLDER, MANIFEST
from profiles.stored import unpacked

Editions = Callable[[int], Edition]
Rows = dict[str, list[dict[str, Any]]]


def content(edition: Edition) -> dict[bytes, bytes]:
    found = dict(Generations(edition.serving / FOLDER).current().items(b""))
    assert not any(key.startswith(UNDO) for key in found)
    return found


def manifest(edition: Edition) -> dict[str, Any]:
    return dict(json.loads(content(edition)[MANIFEST]))


def essence(key: bytes, value: bytes) -> Any:
    """Return what two values must have in common: all of it, but a view's tag, version and `as_of`."""
    if key == MANIFEST:
        return {name: told for name, told in json.loads(value).items() if name != "views"}
    if not key.startswith(b"v|"):
        return value
    tag, held, body = unpacked(value)
    shown = json.loads(body)
    assert tag[1:17].decode() == shown["version"]
    return held, {name: told for name, told in shown.items() if name not in {"as_of", "version"}}


def whole(edition: Edition, fillers: list[Any]) -> dict[bytes, bytes]:
    beside = replace(edition, serving=edition.serving.parent / "whole", whole=True)
    publish_edition(beside, fillers)
    found = content(beside)
    shutil.rmtree(beside.serving)
    return found


def edited(rows: Rows, dice: random.Random, number: int) -> Rows:  # noqa: C901, PLR0912 - one edit a branch
    """Return tables after a run: some rows changed, some gone, some new; every view has the run's moment."""
    rows = copy.deepcopy(rows)
    views = rows["profile_views"]
    for _ in range(dice.randrange(4)):
        kind, one = dice.randrange(11), dice.choice(views) if views else None
        if kind == 0 and one is not None:
            one["attributes"][0]["value"] = dice.choice(["Änne Lou", "Ann", "Bob", ""])
        elif kind == 1 and one is not None:
            one["traits"] = [("orders", str(dice.randrange(9)))]
        elif kind == 2 and len(views) > 2 and one is not None:
            views.remove(one)
        elif kind == 3:
            born = f"new{number}-{len(rows['profile_graph'])}"
            views.append({**view("cat", "service"), "profile_id": born})
            rows["profile_graph"].append({**graph("cat"), "profile_id": born})
            rows["profile_tokens"].append({"token": f"1:{born}", "shared": False, "profile_ids": [born], "link": "own"})
        elif kind == 4:
            rows["profile_tokens"] = dice.sample(rows["profile_tokens"], max(1, len(rows["profile_tokens"]) - 1))
        elif kind == 5:
            dice.choice(rows["profile_timeline"])["entries"] = [happened("ann", n) for n in range(dice.randrange(3))]
        elif kind == 6:
            rows["profile_alias"] = dice.sample(rows["profile_alias"], dice.randrange(len(rows["profile_alias"]) + 1))
            rows["profile_alias"].append({"alias_id": f"gone{number}", "profile_id": "bob", "since_batch": number})
        elif kind == 7:
            rows["audience_members"] = [m for m in rows["audience_members"] if dice.random() < 0.7]
            member = {"audience": f"a{number}", "profile_id": dice.choice(["ann", "bob"]), "since_batch": number}
            rows["audience_members"].append({**member, "purpose": "service"})
        elif kind == 8 and rows["profile_graph"]:
            dice.choice(rows["profile_graph"])["tokens"] = [
                {"token": f"1:{number}-{n}", "link": "own"} for n in range(2)
            ]
        elif kind == 9 and len(rows["profile_graph"]) > 1:
            rows["profile_graph"].pop(dice.randrange(len(rows["profile_graph"])))
        elif one is not None:
            one["confidence"], one["known"] = dice.random(), False
    for one in views:
        one["as_of"] = AT + timedelta(days=number)
    return rows


def filler(dice: random.Random) -> Callable[[Put], int]:
    said = {f"{dice.choice('cd')}|{n}".encode(): b"%d" % dice.randrange(3) for n in range(dice.randrange(6))}

    def fill(put: Put) -> int:
        for key, value in said.items():
            put(key, value)
        return len(said)

    return fill


def live_changes(edition: Edition, dice: random.Random) -> None:
    """Change what is served, as the stream worker does between two publications."""
    store = Generations(edition.serving / FOLDER)
    live = store.live()
    keys = [key for key in content(edition) if key != MANIFEST]
    with live.change() as change:
        for key in dice.sample(keys, min(5, len(keys))):
            change.put(key, b"online") if dice.random() < 0.6 else change.delete(key)
        change.put(b"c|online", b"new")
        change.put(b"v|service|online", b"new")
    live.close()


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(3, 60))])
def test_any_edits_come_to_what_a_whole_publication_comes_to(edition: Editions, seed: int) -> None:
    dice, rows = random.Random(seed), ROWS  # noqa: S311 - seeded edits, no secret
    publish_edition(edition(1), [filler(dice)])
    for number in range(2, 8):
        published = content(edition(1))
        live_changes(edition(number), dice)
        rows, fillers = edited(rows, dice, number), [filler(dice)]
        write(edition(1).lake, rows)
        counts = publish_edition(edition(number), fillers)
        found, wanted = content(edition(number)), whole(edition(number), fillers)
        assert manifest(edition(number))["views"]["from"] == f"{number - 1:08d}", "it did begin from the one before"
        assert {k: essence(k, v) for k, v in found.items()} == {k: essence(k, v) for k, v in wanted.items()}
        for key, value in found.items():
            if key.startswith(b"v|") and key in published and essence(key, published[key]) == essence(key, value):
                assert value == published[key], "what is shown as before keeps its bytes and its tag"
        assert counts["views"] == counts["views_changed"] + counts["views_kept"] == len(rows["profile_views"])


def test_a_run_that_changed_nothing_but_its_moment_keeps_every_view(edition: Editions) -> None:
    publish_edition(edition(1))
    later = [{**one, "as_of": AT + timedelta(days=9)} for one in ROWS["profile_views"]]
    before = content(edition(1))
    write(edition(1).lake, {**ROWS, "profile_views": later})
    counts = publish_edition(edition(2))
    assert (counts["views_changed"], counts["views_removed"], counts["views_kept"]) == (0, 0, 6)
    after = content(edition(2))
    assert {k: v for k, v in after.items() if k != MANIFEST} == {k: v for k, v in before.items() if k != MANIFEST}
    assert manifest(edition(2))["views"] == {"from": "00000001", "changed": 0, "removed": 0, "kept": 6}


def test_a_view_that_stays_is_held_under_the_identifiers_of_now(edition: Editions) -> None:
    publish_edition(edition(1))
    first, *others = ROWS["profile_graph"]
    person = first["profile_id"].encode()
    tokens = [{"token": f"1:{n}", "link": "own"} for n in "ba"]
    for number, graphs, listed in (
        (2, [{**first, "tokens": tokens}, *others], b"1:a\n1:b"),
        (3, others, None),
        (4, ROWS["profile_graph"], content(edition(1))[b"k|" + person]),
    ):
        before = content(edition(1))
        write(edition(1).lake, {**ROWS, "profile_graph": graphs})
        publish_edition(edition(number))
        found = content(edition(number))
        views = [key for key in found if key.startswith(b"v|") and key.endswith(b"|" + person)]
        assert views
        assert manifest(edition(number))["views"]["kept"] == len(ROWS["profile_views"])
        for key in views:
            tag, held, body = unpacked(found[key])
            assert held == listed == found.get(b"k|" + person)
            assert (tag, body) == unpacked(before[key])[::2]


def other_rules(first: Edition) -> Edition:
    return replace(first, links={"service": ("own",)})


def no_history(first: Edition) -> Edition:
    table = DeltaTable(str(first.lake / "profile_graph"))
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    return first


def torn_manifest(first: Edition) -> Edition:
    live = Generations(first.serving / FOLDER).live()
    with live.change() as change:
        change.put(MANIFEST, b"{")
    live.close()
    return first


def miscounted(first: Edition) -> Edition:
    live = Generations(first.serving / FOLDER).live()
    with live.change() as change:
        said = json.loads(change.get(MANIFEST) or b"")
        change.put(MANIFEST, json.dumps({**said, "counts": {**said["counts"], "profiles": 1}}).encode())
    live.close()
    return first


@pytest.mark.parametrize("spoil", [other_rules, no_history, torn_manifest, miscounted])
def test_where_what_differs_is_not_certain_all_is_written(
    edition: Editions, spoil: Callable[[Edition], Edition]
) -> None:
    publish_edition(edition(1))
    write(edition(1).lake, {**ROWS, "profile_graph": ROWS["profile_graph"][:2]})
    second = spoil(replace(edition(2)))
    publish_edition(second)
    assert manifest(second)["views"]["from"] is None
    assert {k: essence(k, v) for k, v in content(second).items()} == {
        k: essence(k, v) for k, v in whole(second, []).items()
    }


def test_after_a_rollback_the_next_begins_from_what_is_served(edition: Editions) -> None:
    publish_edition(edition(1))
    rows = {**ROWS, "profile_views": ROWS["profile_views"][:4]}
    write(edition(1).lake, rows)
    publish_edition(edition(2))
    Generations(edition(2).serving / FOLDER).rollback()
    counts = publish_edition(edition(3))
    assert counts["views_removed"] == 2
    assert manifest(edition(3))["views"]["from"] == "00000001"
    assert not list(Path(edition(3).serving).glob(".*-0*"))
