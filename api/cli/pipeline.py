"""The composition root of the jobs: which steps a command runs, in order, each passed over once it is done."""

import time
from collections.abc import Mapping, Sequence

import activation.jobs
import activation.serving
import consent.jobs
import identity.jobs
import identity.stewardship.asking
import ingestion.jobs
import profiles.jobs
from api.cli.fingerprint import fingerprint
from api.cli.tables import TABLES
from infra import shelf
from infra.clock import system_clock
from infra.runs import Runs, Step
from infra.runtime import Job, Runtime

_FACTS: tuple[tuple[str, Job], ...] = (("ingest", ingestion.jobs.ingest), ("consents", consent.jobs.mirror))
_PERSONS: tuple[tuple[str, Job], ...] = (
    ("resolve", identity.jobs.resolve),
    ("review", identity.stewardship.asking.review),
    ("build", profiles.jobs.build),
    ("recommend", activation.jobs.recommend),
    ("audiences", activation.jobs.audiences),
    ("outcomes", activation.jobs.outcomes),
)


def _publish(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    lake = runtime.workspace.lake_path
    filler = activation.serving.filler(lake, shelf.newest_versions(lake))
    return profiles.jobs.publish(runtime, arguments, (filler,))


_OUT: tuple[tuple[str, Job], ...] = (("publish", _publish), ("sync", activation.jobs.sync))


def run(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Ingest, resolve, build, activate and publish; where no fact and no setting changed, publish nothing new."""
    summary = _steps(runtime, arguments, _FACTS)
    runs = Runs(runtime.database, system_clock)
    now = fingerprint(runtime, TABLES)
    last = runs.newest_manifest()
    if last is not None and last.fingerprint == now and arguments.get("full") != "yes":
        runtime.say("nothing has changed since the last run; what is served stays")
        return summary
    return summary | _derive(runtime, arguments, now)


def apply(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Derive everything anew from the facts there are, and publish: after a steward's or an officer's word."""
    summary = _steps(runtime, arguments, _FACTS[1:])
    return summary | _derive(runtime, arguments, fingerprint(runtime, TABLES))


def _derive(runtime: Runtime, arguments: Mapping[str, str], now: str) -> dict[str, object]:
    summary = _steps(runtime, arguments, _PERSONS)
    versions = shelf.newest_versions(runtime.workspace.lake_path)
    manifest = {"run": runtime.run.number, "tables": versions}
    Runs(runtime.database, system_clock).record_manifest(runtime.run.id, manifest, now)
    return summary | _steps(runtime, arguments, _OUT)


def _alone(name: str, job: Job) -> Job:
    def alone(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
        return _steps(runtime, arguments, ((name, job),))

    return alone


ingest = _alone("ingest", ingestion.jobs.ingest)
train = _alone("train", identity.jobs.train)


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
        begun = time.monotonic()
        outcome = job(runtime, arguments)
        seconds = time.monotonic() - begun
        runs.record_step(runtime.run.id, Step(name, seconds, outcome))
        runtime.say(f"{name}: {seconds:.1f} s")
        summary[name] = outcome
    return summary
