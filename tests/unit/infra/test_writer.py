"""Only one process writes a lake; a second one is told by whom it is held, at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import writer
from infra.errors import Held

NOW = datetime(2026, 11, 1, tzinfo=UTC)
# A runner with a child that inherits its standard output, as its JVM would; both end when their time is over.
HOLD = """
import subprocess, sys, time
from datetime import UTC, datetime
from pathlib import Path
from infra import writer
writer.acquire(Path(sys.argv[1]), datetime(2026, 11, 1, tzinfo=UTC))
child = subprocess.Popen(["sleep", sys.argv[2]])
sys.stderr.write(f"{child.pid}\\n"); sys.stderr.flush()
time.sleep(60)
"""
# One that comes second, waits as long as a runner would, and says how it went.
TRY = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from infra import writer
from infra.errors import Held
begun = time.monotonic()
try:
    writer.acquire(Path(sys.argv[1]), datetime(2026, 11, 1, tzinfo=UTC), 20.0)
except Held as error:
    sys.stderr.write(f"{time.monotonic() - begun:.3f} {error}\\n")
    sys.exit(error.exit_code)
sys.stderr.write(f"{time.monotonic() - begun:.3f} mine\\n")
"""

Holder = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def holding(tmp_path: Path) -> Iterator[Holder]:
    """Start a runner that holds the lock, with a child that outlives it by so many seconds."""
    started: list[subprocess.Popen[str]] = []

    def start(child_seconds: float = 2) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(child_seconds)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        started.append(process)
        assert process.stderr.readline().strip().isdigit()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def second(state: Path) -> tuple[int, float, str]:
    """Come second: return exit code, seconds until the answer, and the sentence."""
    done = subprocess.run([sys.executable, "-c", TRY, str(state)], capture_output=True, text=True, check=False)
    seconds, _, sentence = done.stderr.strip().partition(" ")
    return done.returncode, float(seconds), sentence


def wait_until_free(state: Path) -> None:
    deadline = time.monotonic() + 10
    while writer.is_held(state):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_living_holder_refuses_at_once_and_is_named(tmp_path: Path, holding: Holder) -> None:
    process = holding()
    code, seconds, sentence = second(tmp_path)
    assert code == Held.exit_code
    assert seconds < 1
    assert f"written by process {process.pid}, the job runner since 2026-11-01T00:00:00+00:00;" in sentence
    assert writer.holder(tmp_path).startswith(f"process {process.pid},")
    assert writer.holder_pid(tmp_path) == process.pid


def test_what_a_dead_holder_left_behind_is_waited_for(tmp_path: Path, holding: Holder) -> None:
    process = holding(1.5)
    # Nobody has waited for it: its process id is still taken, and yet it is known to be dead.
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.kill(process.pid, 0)
    assert writer.is_held(tmp_path)
    assert f"left behind (process {process.pid}," in writer.holder(tmp_path)
    code, _, sentence = second(tmp_path)
    assert (code, sentence) == (0, "mine")


def test_a_process_that_got_the_id_of_a_dead_holder_is_not_taken_for_it(tmp_path: Path, holding: Holder) -> None:
    holding(1.5).kill()
    facts = json.loads((tmp_path / "writer.json").read_text())
    # The id of somebody alive: this test.
    (tmp_path / "writer.json").write_text(json.dumps(facts | {"pid": os.getpid()}))
    assert second(tmp_path)[::2] == (0, "mine")


def test_who_waits_in_vain_is_told_what_holds_the_lake(tmp_path: Path, holding: Holder) -> None:
    process = holding(3)
    process.kill()
    process.wait()
    with pytest.raises(Held, match=f"still held by the JVM that a dead runner left behind .process {process.pid},"):
        writer.acquire(tmp_path, NOW, 0.2)
    wait_until_free(tmp_path)


def test_a_successor_is_named_in_the_place_of_the_dead(tmp_path: Path, holding: Holder) -> None:
    holding(0.2).kill()
    wait_until_free(tmp_path)
    process = holding()
    code, seconds, sentence = second(tmp_path)
    assert code == Held.exit_code
    assert seconds < 1
    assert f"process {process.pid}," in sentence


def test_two_who_only_ask_do_not_take_each_other_for_a_holder(tmp_path: Path, holding: Holder) -> None:
    assert not writer.is_held(tmp_path)
    holding(0).kill()
    wait_until_free(tmp_path)
    asking = f"import sys; from pathlib import Path; from infra import writer; p = Path({str(tmp_path)!r})\n"
    asking += "sys.exit(any(writer.is_held(p) for _ in range(3000)))"
    both = [subprocess.Popen([sys.executable, "-c", asking]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]


def test_a_holder_that_was_stopped_still_holds(tmp_path: Path, holding: Holder) -> None:
    """F10: who sleeps may wake and write, so nobody takes its place while it lives; killed, it is followed."""
    first = holding(0)
    first.send_signal(signal.SIGSTOP)
    code, seconds, sentence = second(tmp_path)
    assert (code, f"process {first.pid}" in sentence) == (Held.exit_code, True)
    assert seconds < 5
    first.kill()
    first.wait()
    assert second(tmp_path)[2] == "mine"
