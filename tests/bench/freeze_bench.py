"""How soon does the API show nobody any more whose erasure was accepted, while it answers everybody else?

`python tests/bench/freeze_bench.py [--people N] [--profiles N]`. Another process accepts erasures, each of one person,
at moments drawn by chance; from the return of each the person is asked for over HTTP until the answer is a 404. Readers
ask for others all the while. Ends with 1 where the 99th percentile is a second or more.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lookup_bench import KEY, email, load, scripts, served, workspace

import consent.requests.store
import consent.store
from consent.requests.desk import Desk
from consent.requests.intake import open_request
from consent.requests.model import Claimed, Wish
from infra.database import open_database
from infra.identifiers import token
from infra.workspace import Workspace

PORT = 8475
_SUBJECT_KEY = "7" * 64


def main() -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--profiles", type=int, default=20_000)
    asked = parser.parse_args()
    os.environ |= {"KINDRED_SUBJECT_KEY": _SUBJECT_KEY, "KINDRED_SIGNING_KEY": "6" * 64}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        key = workspace(root, asked.profiles, 0)
        opened = Workspace.open(root)
        database = open_database(opened, consent.requests.store.METADATA, consent.store.METADATA)
        desk = Desk.open(opened, database)
        with served("kindred", root, PORT) as pid:
            crowd = threading.Thread(target=_crowd, args=(pid, key, asked), daemon=True)
            crowd.start()
            waits = sorted(asyncio.run(_all(desk, key, asked.people)))
        database.dispose()
    p50, p99 = (waits[min(int(len(waits) * share), len(waits) - 1)] * 1000 for share in (0.5, 0.99))
    sys.stdout.write(
        f"{len(waits)} people, while others are read: gone after {p50:.0f} ms (p50), {p99:.0f} ms (p99), "
        f"{waits[-1] * 1000:.0f} ms (longest)\n"
    )
    return 0 if p99 < 1000 else 1


def _crowd(pid: int, key: str, asked: argparse.Namespace) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):  # the server ends first
        load(pid, PORT, 10 + asked.people, *scripts(key, asked.profiles)["by id"])


async def _all(desk: Desk, key: str, people: int) -> list[float]:
    chance = random.Random(3)  # noqa: S311 - moments, not secrets
    waits = []
    for number in range(people):
        if _status(key, number) != 200:
            raise SystemExit(f"person {number} is not served")
        await asyncio.sleep(chance.random() * 0.6)
        waits.append(await asyncio.to_thread(_frozen, desk, key, number))
    return waits


def _frozen(desk: Desk, key: str, number: int) -> float:
    at = datetime.now(UTC)
    claimed = Claimed("email", token(KEY.encode(), "email", email(number)), email(number))
    wish = Wish(right="erasure", identifiers=(claimed,), received_at=at, actor="officer:bench", channel="centre",
                regulation="gdpr", vouched="link")  # fmt: skip
    accepted = open_request(desk, wish, at)
    begun = time.monotonic()
    if accepted.status != "accepted":
        raise SystemExit(f"the erasure is {accepted.status}, not accepted")
    while _status(key, number) == 200:
        if time.monotonic() - begun > 30:
            raise SystemExit("still served after 30 s")
        time.sleep(0.005)
    return time.monotonic() - begun


def _status(key: str, number: int) -> int:
    body = json.dumps({"identifier": {"type": "email", "value": email(number)}, "purpose": "service"}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/profiles:lookup", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


if __name__ == "__main__":
    sys.exit(main())
