"""One writer: a run that repeats itself lives beside stewards and officers; who would write too is sent away."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.cli.acts import end_runner, load_cast
from api.cli.demo_data import make_data
from api.cli.world import World, open_world
from infra import writer

pytestmark = pytest.mark.e2e
KINDRED = [sys.executable, "-m", "api.cli.main"]
RUNNER = [sys.executable, "-m", "infra.runner"]
# Short plans over few rows: the first compiler alone costs less than both.
ENVIRONMENT = {
    **os.environ,
    "COLUMNS": "200",
    "PYTHONUNBUFFERED": "1",
    "KINDRED_ENGINE__SHUFFLE_PARTITIONS": "2",
    "KINDRED_ENGINE__JAVA_OPTIONS": "-XX:+UseParallelGC -XX:TieredStopAtLevel=1",
}
# Who writes when is about persons and consents; baskets, their 92,000 products and audiences would only take time.
SOURCES = ("consents", "crm", "loyalty", "newsletter", "webshop_accounts")


@dataclass(frozen=True)
class Shop:
    """A workspace, and the commands that were started on it."""

    world: World
    started: list["subprocess.Popen[str]"]


def begin(shop: Shop, *arguments: str) -> "subprocess.Popen[str]":
    """Start a command on the workspace."""
    process = subprocess.Popen(
        [*KINDRED, *arguments, "-w", str(shop.world.workspace.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )
    shop.started.append(process)
    return process


def ended(process: "subprocess.Popen[str]", seconds: float = 600) -> tuple[int, str]:
    """Return exit code and output of a command, once it has ended."""
    told, _ = process.communicate(timeout=seconds)
    return process.returncode, told


def run(shop: Shop, *arguments: str) -> str:
    """Return the output of a command that must succeed."""
    code, told = ended(begin(shop, *arguments))
    assert code == 0, f"{arguments}\n{told[-4000:]}"
    return told


def wait_for(what: str, holds: Callable[[], bool], loop: "subprocess.Popen[str]", seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert loop.poll() is None, f"the loop ended before {what}\n{loop.communicate()[0][-4000:]}"
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.2)


def newest(shop: Shop, job: str, *statuses: str) -> int:
    """Return the number of a job's newest run in one of the states, or 0; none may have failed."""
    rows = [row for row in shop.world.runs.latest(1000) if row.job == job]
    assert [row.error for row in rows if row.status == "failed"] == []
    return max((row.number for row in rows if row.status in statuses), default=0)


def assignments(shop: Shop) -> Mapping[str, str]:
    """Return the profile of every record, by source and key."""
    target = shop.world.workspace.root / "assignments.csv"
    run(shop, "export", "assignments", "--to", str(target))
    with target.open(encoding="utf-8", newline="") as file:
        return {f"{row['source']}:{row['key']}": row["profile_id"] for row in csv.DictReader(file)}


def address(person: Mapping[str, Mapping[str, str]]) -> str:
    return f"{person['lookup']['type']}:{person['lookup']['value']}"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    root = tmp_path / "shop"
    make_data(root, 4)
    for source in (root / "sources").glob("*.yaml"):
        if source.stem not in SOURCES:
            source.unlink()
    for folder in ("audiences", "destinations"):
        shutil.rmtree(root / folder)
    opened = Shop(open_world(root), [])
    yield opened
    # The commands first: one that lives would start another runner.
    for process in opened.started:
        process.kill()
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()
    end_runner(opened.world)
    opened.world.database.dispose()


def obeys_a_withdrawal(shop: Shop, who: str) -> None:
    """Withdraw, and read the serving store at once."""
    reading = ("profile", who, "--purpose", "personalization")
    assert "golden record" in run(shop, *reading)
    assert "denied at once: personalization" in run(shop, "consent", "record", who, "personalization", "withdrawn")
    assert is_denied(shop, who)
    assert "golden record" in run(shop, "profile", who, "--purpose", "service")


def is_denied(shop: Shop, who: str) -> bool:
    code, told = ended(begin(shop, "profile", who, "--purpose", "personalization"))
    assert code in {0, 3}, told
    return code == 3


def refuses_a_second_runner(shop: Shop) -> None:
    """Start a foreign writer: it is sent away at once, with the holder's name."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import infra.runner"], env=ENVIRONMENT, check=True)
    start_up = time.monotonic() - began
    began = time.monotonic()
    second = subprocess.run(
        [*RUNNER, str(shop.world.workspace.root)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert time.monotonic() - began < 2 * start_up + 1  # another test may have the other core
    assert second.returncode == 5
    assert f"process {writer.holder_pid(shop.world.workspace.state_path)}, the job runner since" in second.stderr


def ends_without_fault(loop: "subprocess.Popen[str]", number: signal.Signals) -> None:
    loop.send_signal(number)
    code, told = ended(loop, 60)
    assert code == 0, told[-4000:]
    assert told.strip().endswith("ended; a run that is under way goes on in the job runner")


@pytest.mark.nightly  # by day test_demo.py has the runner at work
@pytest.mark.timeout(1800)
def test_everybody_writes_beside_a_run_that_repeats_itself(shop: Shop) -> None:
    loop = begin(shop, "run", "--every", "5s")
    wait_for("the first run", lambda: newest(shop, "run", "succeeded") > 0, loop)
    cast = load_cast(shop.world.workspace.root)
    apart, stays = (f"{r['source']}:{r['key']}" for r in cast["six_records"]["records"] if r["source"] == "crm")
    before = assignments(shop)
    assert before[apart] == before[stays]
    # A steward and somebody else at the same time, the loop between them.
    split = begin(shop, "split", address(cast["six_records"]), "--record", apart, "--reason", "two customers")
    other = begin(shop, "run")
    wait_for("work under way", lambda: newest(shop, "apply", "running", "succeeded") > 0, loop)
    refuses_a_second_runner(shop)
    obeys_a_withdrawal(shop, address(cast["three_views"]))
    for command in (split, other):
        code, told = ended(command)
        assert code == 0, told[-4000:]
    # What was asked before the withdrawal is published; it stands nevertheless.
    assert is_denied(shop, address(cast["three_views"]))
    after = assignments(shop)
    assert after[apart] != after[stays]
    applied = newest(shop, "apply", "succeeded")
    wait_for("the loop's next run", lambda: newest(shop, "run", "running", "succeeded") > applied, loop)
    ends_without_fault(loop, signal.SIGTERM)
    # The runner outlives the command that started it, and the next loop finds it at work.
    assert writer.is_held(shop.world.workspace.state_path)
    asked = len(shop.world.runs.latest(1000))
    loop = begin(shop, "run", "--every", "5s")
    wait_for("a run that waits", lambda: len(shop.world.runs.latest(1000)) > asked, loop)
    ends_without_fault(loop, signal.SIGINT)
