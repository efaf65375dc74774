"""A runner knows whether its JVM lives, and hears of a death that was just now."""

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from infra.spark import is_alive


def session_of(process: Any) -> Any:
    return SimpleNamespace(sparkContext=SimpleNamespace(_gateway=SimpleNamespace(proc=process)))


def test_a_jvm_lives_until_it_is_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    session = session_of(process)
    assert is_alive(session)
    process.send_signal(signal.SIGKILL)
    assert not is_alive(session)
    assert not is_alive(session)


def test_a_session_that_somebody_else_runs_is_taken_for_alive() -> None:
    assert is_alive(SimpleNamespace(sparkContext=SimpleNamespace(_gateway=object())))  # type: ignore[arg-type]
