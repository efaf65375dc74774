"""A sandbox as an application's tests start it: a process, one line of JSON, an end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    """What a sandbox said of itself, and its process."""

    facts: dict[str, Any]
    process: "subprocess.Popen[str]"

    @property
    def url(self) -> str:
        return str(self.facts["url"])

    @property
    def keys(self) -> dict[str, str]:
        return dict(self.facts["keys"])

    @property
    def samples(self) -> dict[str, Any]:
        return dict(self.facts["samples"])

    def cpu_seconds(self) -> float:
        """Return the time that the process has computed: what others do on the machine does not move it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sandbox(folder: Path, *options: str, **environ: str) -> Iterator[Running]:
    """Run `kindred sandbox --json` with its temporary files in a folder, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **environ}
    command = [sys.executable, "-m", "api.cli.entry", "sandbox", "--json", *options]
    with (folder / "errors.log").open("wb") as errors:
        process = subprocess.Popen(command, env=told, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "errors.log").read_text()
        yield Running(json.loads(line), process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
