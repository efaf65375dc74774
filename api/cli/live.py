"""The demo's act of ingestion: what an SDK sends is answered for, event by event, to the end."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from api.cli.acting import Stage, proven
from api.cli.console import say, table
from api.cli.jobs import hand_over
from api.cli.world import World, open_world
from api.http import keys
from infra.clock import system_clock
from infra.errors import Unavailable
from ingestion.following import Following
from ingestion.quarantine.rules import FixRules
from ingestion.quarantine.store import Signed, save

_SOURCE: Final = "live"
_SEALED_WITHIN: Final = 60.0
# What an application would write, with the SDK as it is published.
_SENDS: Final = """
import sys
from segment.analytics.client import Client
host, key, run = sys.argv[1:]
client = Client(key, host=host, sync_mode=True, max_retries=3)
who = {"user_id": f"demo-{run}", "anonymous_id": f"demo-cookie-{run}"}
client.identify(**who, traits={"email": f"live.{run}@example.org", "firstName": "Lena"}, message_id=f"identify-{run}")
client.track(**who, event="Order Completed", properties={"price": "12,50"}, message_id=f"order-{run}")
client.track(**who, event="Order Completed", properties={"price": "12,50"}, message_id=f"order-{run}")
"""


def answered_for(stage: Stage) -> None:
    """Show (f): an SDK's event, its verdict, a rejected one, mended and replayed."""
    world, run = open_world(stage.root), f"{time.time_ns():x}"
    at = system_clock()
    key = keys.create_key(world.database, name="act f", scopes={"events:write"}, purposes=(), source=_SOURCE, at=at)
    _send(stage.client.base, key, run)
    known, order = f"identify-{run}", f"order-{run}"
    _tell("sent by segment-analytics-python: durable, and not in the lake yet", stage, (known, order))
    places = [one["where"] for name in (known, order) for one in _verdicts(stage, name)]
    proven("both can be asked for at once", holds=len(places) > 1 and set(places) == {"log"})
    _await_sealed(world)
    hand_over(world, "ingest", {"source": _SOURCE})
    _tell("after `kindred ingest`", stage, (known, order))
    proven("the first is in the lake", holds=_outcomes(stage, known) == ["accepted"])
    told = _verdicts(stage, order)
    proven("the second was rejected, once, and its price named", holds="properties.price" in str(told[0]["because"]))
    proven("its repetition was told for one", holds=_outcomes(stage, order) == ["duplicate", "quarantined"])
    fix = _fixed(world)
    hand_over(world, "ingest", {"replay": fix})
    _tell(f"after `kindred quarantine fix` and `replay {fix}`: a decimal comma is read", stage, (order,))
    proven("the order is in the lake, with what was done to it", holds="accepted" in _outcomes(stage, order))
    before = len(_verdicts(stage, order))
    hand_over(world, "ingest", {"replay": fix}, anew=True)
    proven("a second replay takes in nothing", holds=len(_verdicts(stage, order)) == before)


def _send(base: str, key: str, run: str) -> None:
    sdks = Path(sys.prefix) / "sdks"
    if not (sdks / "segment").is_dir():
        raise Unavailable("act f sends with Segment's own SDK, which `make demo` and `make test` install")
    environment = {**os.environ, "PYTHONPATH": str(sdks)}  # noqa: TID251 - what a program of its own begins with
    command = [sys.executable, "-c", _SENDS, base, key, run]
    subprocess.run(command, check=True, env=environment, timeout=60)  # noqa: S603 - our own words


def _await_sealed(world: World) -> None:
    """Return once a segment with the events may be read; a small one is sealed after a moment."""
    log, deadline = Following(world.workspace, (_SOURCE,)), time.monotonic() + _SEALED_WITHIN
    while not log.look(system_clock()).segments:
        if time.monotonic() >= deadline:
            raise Unavailable(f"no segment of the event log was sealed within {_SEALED_WITHIN:.0f} s")
        time.sleep(0.1)


def _verdicts(stage: Stage, key: str) -> list[dict[str, Any]]:
    status, answer = stage.client.post("/v1/verdicts:lookup", {"key": key})
    found: list[dict[str, Any]] = answer["verdicts"] if status == 200 else []
    return found


def _outcomes(stage: Stage, key: str) -> list[str]:
    return sorted(one["verdict"] for one in _verdicts(stage, key))


def _tell(title: str, stage: Stage, wanted: Sequence[str]) -> None:
    columns = ("verdict", "where", "run", "because")
    rows = [(key.partition("-")[0], *(one[c] for c in columns)) for key in wanted for one in _verdicts(stage, key)]
    table(title, ["event", *columns], rows)


def _fixed(world: World) -> str:
    step = {"cast": {"properties.price": "number:,"}}
    rules = FixRules.model_validate({"source": _SOURCE, "field": "properties.price", "steps": [step]})
    made = save(world.database, rules, Signed("demo", "the till writes a decimal comma", system_clock()))
    say(f"a fix is saved: {made.id}")
    return str(made.id)
