"""The composition root of the jobs: which steps a command runs, in order, each passed over once it is done."""

from collections.abc import Mapping, Sequence
from typing import Any

import activation.jobs
import activation.serving
import consent.jobs
import identity.jobs
import identity.stewardship.asking
import ingestion.jobs
import profiles.features.training
import profiles.jobs
from api.cli import featuring, linting, maintaining
from api.cli.bringing import bringing
from api.cli.erasable import house
from api.cli.fingerprint import fingerprint
from api.cli.obeying import obey
from api.cli.tables import TABLES
from api.cli.telling import Telling
from api.cli.watched import Watched
from consent.config import load_policy
from consent.erasure import workflow
from consent.overlay import DenyOverlay
from infra import shelf
from infra.clock import system_clock
from infra.runs import Runs, Step
from infra.runtime import Job, Runtime
from infra.serving.store import NothingPublished
from ingestion.config import load_sources
from ingestion.connectors.declared import Collector
from ingestion.tables import EVENTS
from profiles.publish import Filler
from profiles.rollback import Refusals, roll_back, told_of
from profiles.serving import serving_store

_FACTS: tuple[tuple[str, Job], ...] = (("ingest", ingestion.jobs.ingest), ("consents", consent.jobs.mirror))
_PERSONS: tuple[tuple[str, Job], ...] = (
    ("resolve", identity.jobs.resolve),
    ("review", identity.stewardship.asking.review),
    ("build", profiles.jobs.build),
    ("recommend", activation.jobs.recommend),
    ("audiences", activation.jobs.audiences),
    ("outcomes", activation.jobs.outcomes),
)


def _filler(runtime: Runtime) -> Filler:
    lake = runtime.workspace.lake_path
    return activation.serving.filler(lake, shelf.newest_versions(lake))


def _publish(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    bring, told = bringing(runtime, system_clock), Telling(runtime, system_clock)
    policy = _policy_of(runtime, runtime.run.id)
    return profiles.jobs.publish(runtime, arguments, (_filler(runtime),), bring, told, policy)


def _policy_of(runtime: Runtime, run_id: str) -> str | None:
    """Return the version of the policy that a run's build judged by, or None where it does not say."""
    steps = Runs(runtime.database, system_clock).get(run_id).steps
    told = (step["summary"].get(profiles.jobs.POLICY) for step in steps if step["name"] == "build")
    return next((str(one) for one in told if one is not None), None)


def _publish_again(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    del arguments
    last = Runs(runtime.database, system_clock).newest_manifest()
    if last is None:
        raise NothingPublished
    policy = _policy_of(runtime, last.id) or ""
    built = profiles.jobs.Built(last.id, last.number, last.started_at, last.manifest["tables"], policy)
    bring, told = bringing(runtime, system_clock, untaken(runtime, built)), Telling(runtime, system_clock)
    return profiles.jobs.publish_again(runtime, built, (_filler(runtime),), bring, told)


def untaken(runtime: Runtime, built: profiles.jobs.Built) -> frozenset[str]:
    """Return the runs that took in events which what was built knows nothing of, such as one that only ingested."""
    seen = built.tables.get(EVENTS.name, -1)

    def ahead(steps: Sequence[Mapping[str, Any]]) -> bool:
        took = (one["summary"].get("wrote", {}).get(EVENTS.name, {}) for one in steps if one["name"] == "ingest")
        return any(one.get("version", -1) > seen for one in took)

    later = Runs(runtime.database, system_clock).after(built.number)
    return frozenset(str(row.id) for row in later if ahead(row.steps))


def _roll_back(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    del arguments
    workspace, overlay = runtime.workspace, DenyOverlay.open(runtime.workspace.serving_path)
    try:
        refusals = Refusals(runtime.database, overlay, load_policy(workspace))
        done = roll_back(serving_store(workspace), refusals, system_clock())
    finally:
        overlay.close()
    runtime.say(told_of(done))
    return {"generation": done.served, "given_up": done.given_up, "denied": done.denied}


_PAST: tuple[tuple[str, Job], ...] = (
    ("find", maintaining.find),
    ("announce", maintaining.announce),
    ("let_go", maintaining.let_go),
)
_TIDY: tuple[tuple[str, Job], ...] = (("tidy", maintaining.tidy), ("record", maintaining.record))
_OUT: tuple[tuple[str, Job], ...] = (("publish", _publish), ("sync", activation.jobs.sync))


def run(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Ingest, resolve, build, activate and publish; where no fact and no setting changed, publish nothing new."""
    obey(runtime)
    summary = _steps(runtime, arguments, _FACTS)
    runs = Runs(runtime.database, system_clock)
    now = fingerprint(runtime, TABLES)
    last = runs.newest_manifest()
    same = last is not None and last.fingerprint == now and not maintaining.is_begun(runtime.workspace)
    if same and arguments.get("full") != "yes":
        runtime.say("nothing has changed since the last run; what is served stays")
        return summary | _linted(runtime)
    return summary | _derive(runtime, arguments, now, summary)


def apply(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Derive everything anew from the facts there are, and publish: after a steward's or an officer's word."""
    obey(runtime)
    summary = _steps(runtime, arguments, _FACTS[1:])
    return summary | _derive(runtime, arguments, fingerprint(runtime, TABLES), summary)


def maintain(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Let go of what is older than the rules of retention let it be kept, and tidy the lake's files.

    `dry_run` (yes) tells what would go; `at_once` keeps no older version of any file; `anyway` lets most of a table go.
    """
    if arguments.get("dry_run") == "yes":
        return _steps(runtime, arguments, (("look", maintaining.look),))
    obey(runtime)
    summary = _steps(runtime, arguments, _PAST)
    if maintaining.is_begun(runtime.workspace) or _has_derived(runtime):
        summary |= _derive(runtime, arguments, fingerprint(runtime, TABLES), summary)
    return summary | _steps(runtime, arguments, _TIDY) | _linted(runtime)


def publish(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Publish what the last run built once more, whole; with `rollback` (yes) serve the generation before again."""
    job = ("rollback", _roll_back) if arguments.get("rollback") == "yes" else ("publish", _publish_again)
    return _steps(runtime, arguments, (job,))


def _has_derived(runtime: Runtime) -> bool:
    """Say whether a run that was cut off had begun to derive: then it goes on to its end."""
    begun = {step["name"] for step in Runs(runtime.database, system_clock).get(runtime.run.id).steps}
    return not begun.isdisjoint(name for name, _ in (*_PERSONS, *_OUT))


def _derive(runtime: Runtime, arguments: Mapping[str, str], now: str, facts: Mapping[str, object]) -> dict[str, object]:
    featuring.checked(runtime.workspace)
    if maintaining.is_begun(runtime.workspace):  # by this run, or by one that failed
        _steps(runtime, arguments, (("let_go", maintaining.let_go),))
    summary = _steps(runtime, {**arguments, **maintaining.pending(runtime)}, _PERSONS)
    if maintaining.is_begun(runtime.workspace):
        _steps(runtime, arguments, (("forget", maintaining.forget),))
    versions = shelf.newest_versions(runtime.workspace.lake_path)
    manifest = {"run": runtime.run.number, "tables": versions, "counts": _counts({**facts, **summary})}
    Runs(runtime.database, system_clock).record_manifest(runtime.run.id, manifest, now)
    anew = {"whole": "yes"} if maintaining.has_gone(runtime.workspace) else {}
    return summary | _steps(runtime, {**arguments, **anew}, _OUT) | _linted(runtime)


def _linted(runtime: Runtime) -> dict[str, object]:
    return {linting.STEP: linting.lint_new(runtime, Runs(runtime.database, system_clock), TABLES)}


def _alone(name: str, job: Job) -> Job:
    def alone(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
        return _steps(runtime, arguments, ((name, job),)) | _linted(runtime)

    return alone


def erase(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Erase the person of a `request` from every store; `at_once` (yes) keeps no older version of any file.

    What waits in the event log is taken in first, so that nothing of the person waits behind the erasure.
    """
    collected = [s.source for s in load_sources(runtime.workspace) if isinstance(s.connector, Collector)]
    steps = (("ingest", ingestion.jobs.ingest),) if collected else ()
    _steps(runtime, {**arguments, "source": ",".join(collected)}, steps)
    moment = runtime.run.started_at
    clock = (lambda: moment) if "at" in arguments else system_clock
    outcome = workflow.run(house(runtime, arguments["request"], arguments, clock), arguments["request"])
    runtime.say(f"erasure {outcome.request_id}: {outcome.status}")
    return {"request": outcome.request_id, "status": outcome.status}


ingest = _alone("ingest", ingestion.jobs.ingest)
train = _alone("train", identity.jobs.train)


def _training_set(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    last = Runs(runtime.database, system_clock).newest_manifest()
    if last is None:
        raise NothingPublished
    return profiles.features.training.training_set(runtime, arguments, last.started_at)


training_set = _alone("training-set", _training_set)


def _steps(runtime: Runtime, arguments: Mapping[str, str], steps: Sequence[tuple[str, Job]]) -> dict[str, object]:
    """Run the steps that this run has not done yet and return what each had to say."""
    runs = Runs(runtime.database, system_clock)
    done = {step["name"]: step["summary"] for step in runs.get(runtime.run.id).steps}
    runtime.lake.ensure(TABLES)
    summary: dict[str, object] = {}
    for name, job in steps:
        if name in done:
            runtime.say(f"{name}: done before the interruption")
            summary[name] = done[name]
            continue
        runtime.say(f"{name} …")
        watched = Watched(runtime, name, arguments, done.values())
        with watched:
            watched.outcome.update(job(runtime, arguments))
        seconds, done[name] = watched.seconds, watched.outcome
        runs.record_step(runtime.run.id, Step(name, seconds, watched.outcome))
        runtime.say(f"{name}: {seconds:.1f} s")
        summary[name] = watched.outcome
    return summary


def _counts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each step took in and wrote, for the manifest: ways of sources, rows by table."""
    return {
        step: {"flow": told.get("flow"), "wrote": {t: one["rows"] for t, one in told.get("wrote", {}).items()}}
        for step, told in summary.items()
    }
