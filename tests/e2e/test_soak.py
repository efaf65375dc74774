"""F38: a server that is asked for a long while neither grows nor slows down. `KINDRED_SOAK_MINUTES` says how long."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from databases import free_port
from serving_world import requests, world

MINUTES = float(os.environ.get("KINDRED_SOAK_MINUTES", "20"))
PEOPLE = 2_000
ROOT = Path(__file__).parents[2]


def looked(pid: int) -> tuple[int, int]:
    """Return the kilobytes that a process tree has of its own, and its open files."""
    own = files = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        status = Path(f"/proc/{one}/status").read_text()
        own += int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])
        files += len(list(Path(f"/proc/{one}/fd").iterdir()))
        for task in Path(f"/proc/{one}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return own, files


def asked(port: int, key: str, seconds: float) -> list[float]:
    """Ask at a steady rate for a while and return how long each answer took; a failure ends the test."""
    sys.path.insert(0, str(ROOT / "tests" / "bench"))
    from serving_load import opened

    questions: Any = requests(key, PEOPLE)
    run = opened(port, [*questions["by id"][:500], *questions["by email"][:500]], seconds, 500)
    assert run.failed == 0
    return sorted(run.times)


@pytest.mark.nightly
@pytest.mark.timeout(int(MINUTES * 60) + 900)
def test_a_server_that_is_asked_for_long_neither_grows_nor_slows_down(tmp_path: Path) -> None:
    root, port = tmp_path / "shop", free_port()
    key = world(root, PEOPLE)
    command = [sys.executable, "-m", "api.http.serve", str(root), "127.0.0.1", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                break
            time.sleep(0.1)
        # The first minute fills what is filled once: the key's day, caches, the allocator's pools.
        asked(port, key, min(60.0, MINUTES * 15))
        begun = time.monotonic()
        seen: list[tuple[int, int, float]] = []
        while time.monotonic() - begun < MINUTES * 60:
            times = asked(port, key, min(30.0, MINUTES * 6))
            seen.append((*looked(process.pid), times[len(times) * 99 // 100]))
    finally:
        process.terminate()
        process.wait(40)
    third = max(1, len(seen) // 3)
    first, last = seen[:third], seen[-third:]
    hours = MINUTES / 60
    grown = median(one[0] for one in last) / median(one[0] for one in first) - 1
    told = json.dumps({"grown": grown, "files": sorted({one[1] for one in seen}), "p99": [one[2] for one in seen]})
    # One in a hundred an hour, and a thirtieth for what allocator and collector of garbage keep back meanwhile.
    assert grown < 0.01 * hours + 0.03, told
    assert max(one[1] for one in last) <= max(one[1] for one in first) + 8, told
    # Other work on the machine slows an answer too: a drift is what lasts and is more than that.
    assert median(one[2] for one in last) < 3 * median(one[2] for one in first) + 0.05, told
