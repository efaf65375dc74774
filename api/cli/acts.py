"""The acts of the demo: each shows a promise before and after, and asserts it where it is asked to check."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from api.cli.acting import Stage, proven
from api.cli.at_once import at_once
from api.cli.console import say, table
from api.cli.demo_data import make_data
from api.cli.erased import erased
from api.cli.fed import fed
from api.cli.jobs import hand_over
from api.cli.live import answered_for
from api.cli.stewarding import bench
from api.cli.tables import TABLES
from api.cli.world import World, open_world
from identity.engine.digest import state_digests
from identity.stewardship import steward
from infra import writer
from infra.clock import system_clock
from infra.errors import Broken
from profiles.digest import state_hashes

# Who is who may be asked over every link; other purposes demand closer ones.
IDENTITY = "identity_resolution"
PURPOSES = ("service", "personalization", "email_marketing")
_RESTART_HOUSEHOLDS = 20
_MOMENTS = ("ingest …", "resolve …", "publish …")
_AT = "2026-11-01T12:00:00+00:00"


def one_person(stage: Stage) -> None:
    """Show (a): six records of four systems become one person, and every tie says why."""
    six = stage.cast["six_records"]
    table("before: six records", ["source", "key"], [(r["source"], r["key"]) for r in six["records"]])
    found = set()
    for identifier in six["identifiers"]:
        status, answer = stage.client.lookup(identifier["type"], identifier["value"], IDENTITY)
        proven(f"a look-up by {identifier['type']} answers", holds=status == 200)
        found.add(answer["profile_id"])
    proven("all identifiers lead to one profile", holds=len(found) == 1)
    profile_id = found.pop()
    _, links = stage.client.get(f"/v1/profiles/{profile_id}/links?purpose={IDENTITY}")
    sources = sorted(record["source"] for record in links["records"])
    say(f"after: profile {profile_id} of {len(links['records'])} records ({', '.join(sources)})")
    for record in six["records"]:
        proven(f"{record['source']} is among them", holds=record["source"] in sources)
    # The mailbox of her former name and her web account: no record carries both.
    former, account = six["identifiers"][1], six["identifiers"][-1]
    _, why = stage.client.post("/v1/identity:why", {"a": former, "b": account, "purpose": IDENTITY})
    proven("the API says why two that no record joins are one person", holds=bool(why["same"] and why["path"]))
    rows = [(e["weight"], e["kind"], "; ".join(_reason(r) for r in e["reasons"][:4])) for e in why["path"]]
    table("why", ["bits", "kind", "strongest reasons"], rows)


def _reason(reason: Mapping[str, Any]) -> str:
    return f"{reason.get('comparison')} {reason.get('level')} {float(reason.get('weight', 0)):+.1f}"


def three_views(stage: Stage) -> None:
    """Show (b): one person, three purposes, three views; a withdrawal, and the next read obeys."""
    asked = stage.cast["three_views"]["lookup"]
    kind, value = asked["type"], asked["value"]
    before = {purpose: stage.client.lookup(kind, value, purpose) for purpose in PURPOSES}
    table("before", ["purpose", "answer", "fields", "withheld"], [_view_row(p, *before[p]) for p in PURPOSES])
    for purpose in PURPOSES:
        proven(f"{purpose} may see the person", holds=before[purpose][0] == 200)
    fed(stage, asked, seen=True)
    fields = {purpose: frozenset(before[purpose][1]["attributes"]) for purpose in PURPOSES}
    proven(
        "the three views differ", holds=len({(fields[p], _withheld(before[p][1])) for p in PURPOSES}) == len(PURPOSES)
    )
    begun = time.monotonic()
    told = {"identifier": {"type": kind, "value": value}, "purpose": "personalization", "action": "withdrawn"}
    status, _ = stage.client.post("/v1/consent", told)
    proven("the withdrawal is acknowledged", holds=status in {200, 201})
    after = {purpose: stage.client.lookup(kind, value, purpose) for purpose in PURPOSES}
    took = time.monotonic() - begun
    table(
        "after the withdrawal", ["purpose", "answer", "fields", "withheld"], [_view_row(p, *after[p]) for p in PURPOSES]
    )
    proven("personalization no longer sees the person", holds=after["personalization"][0] == 404)
    proven("service still does", holds=after["service"][0] == 200)
    fed(stage, asked, seen=False)
    proven(f"all of it took {took * 1000:.0f} ms, less than a second", holds=took < 1.0)
    stage.client.post("/v1/consent", told | {"action": "given"})
    status, again = stage.client.lookup(kind, value, "personalization")
    proven("the consent is given again, and the next read sees the person again", holds=status == 200)
    proven("as before", holds=again["attributes"] == before["personalization"][1]["attributes"])


def _view_row(purpose: str, status: int, answer: Mapping[str, Any]) -> tuple[object, ...]:
    return purpose, status, len(answer.get("attributes", ())), ", ".join(_withheld(answer))


def _withheld(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(entry["field"] for entry in answer.get("withheld", ())))


def undone(stage: Stage) -> None:
    """Show (c): a wrong merge undone: both people and their old ids come back."""
    pair = [stage.cast["wrong_merge"][who]["lookup"] for who in ("a", "b")]
    ids = [_profile(stage, **identifier) for identifier in pair]
    say(f"before: father {ids[0]} and son {ids[1]}, of one name and one address")
    proven("they are two people", holds=ids[0] != ids[1])
    world = open_world(stage.root)
    wish = steward.Wish("demo", "a steward's mistake", system_clock())
    (tied,) = steward.link(bench(world), ids[0], ids[1], wish)
    hand_over(world, "apply", {}, anew=True)
    merged = [_profile(stage, **identifier) for identifier in pair]
    say(f"a steward ties them by mistake: both answer as {merged[0]}")
    proven("they are one profile now, under the elder id", holds=merged[0] == merged[1] and merged[0] in ids)
    steward.withdraw(bench(world), tied.id, system_clock())
    hand_over(world, "apply", {}, anew=True)
    again = [_profile(stage, **identifier) for identifier in pair]
    say(f"undone: father {again[0]} and son {again[1]}")
    proven("both people are back under their old ids", holds=again == ids)


def _profile(stage: Stage, type: str, value: str) -> str:  # noqa: A002 - the key of an identifier on the wire
    status, answer = stage.client.lookup(type, value, IDENTITY)
    if status != 200:
        raise Broken(f"a person of the tour is not found by {type} (status {status})")
    return str(answer["profile_id"])


def rebuilt(stage: Stage) -> None:
    """Show (e): what the runs so far brought about change by change is what doing it all anew gives, ids included."""
    world = open_world(stage.root)
    lake = world.workspace.lake_path
    before = state_digests(lake)
    whole = _resolved(hand_over(world, "apply", {"full": "yes"}, anew=True))
    after = state_digests(lake)
    rows = [(name, before[name], after[name]) for name in sorted(before)]
    table("identity, change by change and anew", ["table", "change by change", "anew"], rows)
    proven(f"doing it all anew resolves {whole['changed']:,} records", holds=bool(whole["whole"]))
    proven("and gives the same candidates, edges, persons and ids", holds=before == after)


def _resolved(row: Row[Any]) -> Mapping[str, Any]:
    """Return what a run's step `resolve` had to say."""
    (told,) = [step["summary"] for step in row.steps if step["name"] == "resolve"]
    found: Mapping[str, Any] = told
    return found


def restarted(stage: Stage) -> None:
    """Show (d): `kill -9` in mid-run, run again: the same hashes as a run that nobody disturbed."""
    scene = stage.root / "acts" / "restart"
    shutil.rmtree(scene, ignore_errors=True)
    calm, killed = scene / "calm", scene / "killed"
    make_data(calm, _RESTART_HOUSEHOLDS)
    shutil.copytree(calm, killed)
    say("a run that nobody disturbs")
    _finish(open_world(calm))
    say("the same run, its runner killed in the middle of every step")
    world, deaths = open_world(killed), 0
    for moment in _MOMENTS:
        deaths += _kill_at(world, moment)
    proven(f"the runner was killed {deaths} times", holds=deaths == len(_MOMENTS))
    _finish(world)
    left, right = (state_hashes(open_world(w).workspace.lake_path, TABLES) for w in (calm, killed))
    table(
        "content hashes",
        ["table", "undisturbed", "killed"],
        [(n, left[n][:16], right.get(n, "")[:16]) for n in sorted(left)],
    )
    proven("every table has the same content hash", holds=left == right)
    for place in (calm, killed):
        end_runner(open_world(place))


def _finish(world: World) -> None:
    hand_over(world, "run", {"at": _AT})


def _kill_at(world: World, moment: str) -> int:
    """Kill the runner, its JVM with it, when the run says the moment; return how many deaths that made."""
    command = [sys.executable, "-m", "api.cli.main", "run", "-w", str(world.workspace.root), "--at", _AT]
    # A caller of its own session: it dies with its runner, as a machine that loses power would take both.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    try:
        return _await_and_kill(world, moment, process.poll)
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
        end_runner(world)


def _await_and_kill(world: World, moment: str, ended: Callable[[], int | None]) -> int:
    while ended() is None:
        rows = world.runs.latest(1)
        if rows and any(message.text == moment for message in world.runs.messages(rows[0].id)):
            # Well inside the step: its first writes are under way.
            time.sleep(1.0)
            return int(end_runner(world))
        time.sleep(0.1)
    return 0


def end_runner(world: World) -> bool:
    """Kill the workspace's runner, if one lives, and wait until its JVM has let go of the lake."""
    pid = writer.holder_pid(world.workspace.state_path)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while writer.is_held(world.workspace.state_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


ACTS: Mapping[str, Callable[[Stage], None]] = {
    "a": one_person,
    "b": three_views,
    "c": undone,
    "d": restarted,
    "e": rebuilt,
    "f": answered_for,
    "g": erased,
    "h": at_once,
}


def load_cast(root: Path) -> dict[str, Any]:
    """Return the people of the tour as the generator wrote them."""
    found: dict[str, Any] = json.loads((root / "truth" / "showcase.json").read_text(encoding="utf-8"))
    return found
