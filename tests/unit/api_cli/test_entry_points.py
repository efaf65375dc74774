"""The jobs as the runner finds them: loaded before there is a Spark session."""

import subprocess
import sys


def test_every_job_is_there_before_a_session_is() -> None:
    code = (
        "from importlib.metadata import entry_points\n"
        "print(*sorted(one.name for one in entry_points(group='kindred.jobs') if one.load()))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["apply", "erase", "ingest", "maintain", "publish", "run", "train", "training-set"]
