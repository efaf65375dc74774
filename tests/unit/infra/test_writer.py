"""Only one process writes a lake; a second one is told by whom it is held, at once."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import writer
from infra.errors import Held

HOLD = """
import sys, time, subprocess
from datetime import UTC, datetime
from pathlib import Path
from infra import writer
writer.acquire(Path(sys.argv[1]), datetime(2026, 11, 1, tzinfo=UTC))
child = subprocess.Popen(["sleep", "2"])
sys.stderr.write(f"held {child.pid}\\n"); sys.stderr.flush()
time.sleep(60)
"""


def test_the_lock_names_its_holder_and_outlives_it_with_its_children(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("held")
    begun = time.monotonic()
    with pytest.raises(Held, match=f"process {process.pid}"):
        writer.acquire(tmp_path, datetime(2026, 11, 1, tzinfo=UTC))
    assert time.monotonic() - begun < 1
    process.kill()
    process.wait()
    process.stderr.close()
    # The child, as a JVM would, still holds what it inherited.
    assert writer.is_held(tmp_path)
    deadline = time.monotonic() + 10
    while writer.is_held(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
