"""Profile reads a second, and what one costs in CPU, beside the same server's bare hello.

`python tests/bench/lookup_bench.py [--profiles N] [--seconds S] [--denials N]`. CPU a request (from /proc, of the
server's process tree) is the figure to compare: requests a second depend on who else uses the machine.
Uses `wrk` where it is installed, else a small client of its own, which is slower than the server.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.http.keys import create_key
from api.http.store import METADATA
from consent.overlay import DenyOverlay
from infra.database import open_database
from infra.identifiers import token
from infra.ids import Purpose
from infra.serving.embedded import Generations
from profiles import render, serving
from profiles.stored import packed

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "api" / "templates" / "workspace"
AT = datetime(2026, 11, 22, tzinfo=UTC)
PEOPLE = 100
KEY = "a-key-of-the-benchmark-that-guards-nothing"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Result:
    """One run of load against one server."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    failed: int


def workspace(root: Path, profiles: int, denials: int) -> str:
    """Make a workspace with published profiles and return a key that may read them."""
    shutil.copytree(TEMPLATES, root, dirs_exist_ok=True)
    page = root / "kindred.yaml"
    page.write_text(page.read_text().replace("NAME", "bench"))
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={KEY}\n")
    served = root / "state" / "serving"
    generations = Generations(served / serving.FOLDER)
    generations.root.mkdir(parents=True)
    with generations.building("g1") as writer:
        for number in range(profiles):
            _put(writer.put, number)
        writer.put(serving.MANIFEST, b'{"generation": "g1"}')
    generations.publish("g1")
    overlay = DenyOverlay.open(served)
    for number in range(denials):
        overlay.restrict([_token(f"gone{number}@example.org")], [Purpose("service")], at=AT, sequence=number)
    overlay.close()
    database = open_database(f"sqlite:///{root}/state/kindred.db", METADATA)
    key = create_key(database, name="bench", scopes={"profile:read"}, purposes={"service"}, at=AT)
    database.dispose()
    return key


def profile_id(number: int) -> str:
    """Return the id of a numbered profile."""
    return f"{number:032x}"


def email(number: int) -> str:
    """Return the address of a numbered person."""
    return f"person.number{number}@example.org"


def _token(value: str) -> str:
    return token(KEY.encode(), "email", value)


def _put(put: object, number: int) -> None:
    assert callable(put)
    person, record = profile_id(number), f"{number:031x}r"
    tokens = [{"token": _token(email(number) if n == 0 else f"{n}.{email(number)}"), "link": "own"} for n in range(8)]
    names = ("given_name", "family_name", "email", "phone", "street", "city", "postcode", "birth_date")
    attributes = [
        {"name": n, "value": f"{n} {number}", "source": "crm", "record_key": record, "observed_at": AT,
         "rule": "most_recent", "confidence": 0.9} for n in names
    ]  # fmt: skip
    row = {
        "profile_id": person, "purpose": "service", "as_of": AT, "attributes": attributes, "known": True, "size": 6,
        "traits": [(f"trait_{n}", str(n * number)) for n in range(20)],
        "identifiers": [{"type": "email", "value": email(number), "token": tokens[0]["token"]}],
        "withheld": [], "confidence": 0.97, "reason": "contract", "policy_line": "policy.yaml:12",
    }  # fmt: skip
    tag, body = render.view(row, {}, [])
    held = "\n".join(t["token"] for t in tokens).encode()
    put(serving.view_key("service", person), packed(tag, body, held))
    put(serving.holders_key(person), held)
    put(serving.token_key(tokens[0]["token"]), person.encode())


@contextmanager
def served(app: str, folder: Path, port: int) -> Iterator[int]:
    """Serve one of `bench_apps` by the product's own server and yield the process id."""
    code = (
        "from granian import Granian; from granian.constants import Interfaces\n"
        f"Granian('bench_apps:{app}', port={port}, interface=Interfaces.ASGI, factory=True, websockets=False,"
        " log_enabled=False).serve()"
    )
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    environ = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen([sys.executable, "-c", code], env=environ, cwd=folder)
    try:
        for _ in range(200):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used."""
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        stat = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(stat[11]) + int(stat[12])) / _TICKS
        for task in Path(f"/proc/{one}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return total


def load(pid: int, port: int, seconds: int, script: str, requests: list[tuple[str, str, bytes | None]]) -> Result:
    """Ask for some seconds and return what came of it."""
    before = cpu_seconds(pid)
    if shutil.which("wrk"):
        count, latencies, failed, took = _wrk(port, seconds, script)
    else:
        count, latencies, failed, took = asyncio.run(_ask(port, seconds, requests))
    cpu = cpu_seconds(pid) - before
    return Result(count / took, cpu / count * 1e6, *latencies, failed)


_DONE = """
done = function(s, l, r)
  io.write(string.format("RESULT %d %d %d %f %f\\n", s.requests, s.duration,
    s.errors.status + s.errors.read + s.errors.timeout + s.errors.connect,
    l:percentile(50) / 1000, l:percentile(99) / 1000))
end
"""


def _wrk(port: int, seconds: int, script: str) -> tuple[int, tuple[float, float], int, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script + _DONE)
        file.flush()
        command = ["wrk", "-t1", "-c32", f"-d{seconds}", "-s", file.name, f"http://127.0.0.1:{port}/"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(one for one in said.splitlines() if one.startswith("RESULT")).split()
    return int(line[1]), (float(line[4]), float(line[5])), int(line[3]), int(line[2]) / 1e6


async def _ask(
    port: int, seconds: int, requests: list[tuple[str, str, bytes | None]]
) -> tuple[int, tuple[float, float], int, float]:
    times: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal failed
        reading, writing = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            method, head, body = random.choice(requests)  # noqa: S311 - load, not secrets
            begun = time.perf_counter()
            writing.write(f"{method} {head}\r\ncontent-length: {len(body or b'')}\r\n\r\n".encode() + (body or b""))
            headers = await reading.readuntil(b"\r\n\r\n")
            length = int(headers.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reading.readexactly(length)
            failed += b" 200 " not in headers.partition(b"\r\n")[0]
            times.append(time.perf_counter() - begun)
        writing.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(32)))
    times.sort()
    took = time.perf_counter() - begun
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    return len(times), (middle * 1000, late * 1000), failed, took


def scripts(key: str, profiles: int) -> dict[str, tuple[str, list[tuple[str, str, bytes | None]]]]:
    """Return, for each question, the load as a wrk script and as requests."""
    chosen = random.Random(7).sample(range(profiles), min(profiles, 500))  # noqa: S311 - load, not secrets
    bearer, host = f"Bearer {key}", "HTTP/1.1\r\nhost: localhost"
    by_id = f"""
wrk.headers["authorization"] = "{bearer}"
request = function()
  return wrk.format("GET", string.format("/v1/profiles/%032x?purpose=service", math.random(0, {profiles - 1})))
end"""
    by_email = f"""
wrk.headers["authorization"] = "{bearer}"
wrk.headers["content-type"] = "application/json"
request = function()
  local email = string.format("person.number%d@example.org", math.random(0, {profiles - 1}))
  local body = '{{"identifier":{{"type":"email","value":"' .. email .. '"}},"purpose":"service"}}'
  return wrk.format("POST", "/v1/profiles:lookup", nil, body)
end"""
    head = f"{host}\r\nauthorization: {bearer}\r\ncontent-type: application/json"
    reads: list[tuple[str, str, bytes | None]] = [
        ("GET", f"/v1/profiles/{profile_id(n)}?purpose=service {head}", None) for n in chosen
    ]
    asked: list[tuple[str, str, bytes | None]] = [
        (
            "POST",
            f"/v1/profiles:lookup {head}",
            json.dumps({"identifier": {"type": "email", "value": email(n)}, "purpose": "service"}).encode(),
        )
        for n in chosen
    ]
    many: list[tuple[str, str, bytes | None]] = []
    for turn in range(20):
        some = random.Random(turn).sample(range(profiles), min(profiles, PEOPLE))  # noqa: S311 - as above
        for question in ("ids", "emails"):
            people = [
                {"profile_id": profile_id(n)} if question == "ids" else {"type": "email", "value": email(n)}
                for n in some
            ]
            body = json.dumps({"people": people, "purpose": "service"}).encode()
            many.append(("POST", f"/v1/profiles:batchLookup {head}", body))
    return {
        "by id": (by_id, reads),
        "by email": (by_email, asked),
        f"{PEOPLE} ids": (_posted(bearer, many[0::2]), many[0::2]),
        f"{PEOPLE} emails": (_posted(bearer, many[1::2]), many[1::2]),
    }


def _posted(bearer: str, requests: list[tuple[str, str, bytes | None]]) -> str:
    bodies = ",\n".join(f"[=[{(body or b'').decode()}]=]" for _, _, body in requests)
    return f"""
wrk.headers["authorization"] = "{bearer}"
wrk.headers["content-type"] = "application/json"
local bodies = {{{bodies}}}
request = function()
  return wrk.format("POST", "/v1/profiles:batchLookup", nil, bodies[math.random(#bodies)])
end"""


def main() -> None:
    """Measure, interleaved, and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--profiles", type=int, default=50_000)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=6)
    arguments.add_argument("--denials", type=int, default=100)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        key = workspace(root, asked.profiles, asked.denials)
        loads = scripts(key, asked.profiles)
        plan = (
            ("hello", "by id"),
            ("same_bytes", "by id"),
            ("kindred", "by id"),
            ("reader", "by email"),
            ("kindred", "by email"),
            ("kindred", f"{PEOPLE} ids"),
            ("kindred", f"{PEOPLE} emails"),
        )
        results: dict[tuple[str, str], list[Result]] = {pair: [] for pair in plan}
        with (
            served("hello", root, 8471) as hello,
            served("same_bytes", root, 8474) as same,
            served("reader", root, 8472) as reader,
            served("kindred", root, 8473) as kindred,
        ):
            servers = {
                "hello": (hello, 8471),
                "same_bytes": (same, 8474),
                "reader": (reader, 8472),
                "kindred": (kindred, 8473),
            }
            for turn in range(asked.rounds + 1):
                for app, question in plan:
                    pid, port = servers[app]
                    result = load(pid, port, 1 if turn == 0 else asked.seconds, *loads[question])
                    if turn:  # the first is for warming up
                        results[app, question].append(result)
    _print(results)


def _print(results: dict[tuple[str, str], list[Result]]) -> None:
    # The least disturbed round of each: what else the machine does only ever adds.
    least = {pair: min(runs, key=lambda r: r.cpu_us) for pair, runs in results.items()}
    bare = {"by id": least["hello", "by id"], "by email": least["reader", "by email"]}
    bare |= {question: bare["by email"] for _, question in least if question not in bare}
    print(f"{'':22}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'of bare':>9}{'failed':>8}")
    for (app, question), r in least.items():
        ratio = bare[question].cpu_us / r.cpu_us
        name = f"{app} {question}" if app == "kindred" else f"bare {app}"
        print(f"{name:22}{r.rate:9,.0f}{r.p50_ms:9.2f}{r.p99_ms:9.2f}{r.cpu_us:9.1f}{ratio:9.2f}{r.failed:8}")
    for one, many in (("by id", f"{PEOPLE} ids"), ("by email", f"{PEOPLE} emails")):
        person, batched = least["kindred", one].cpu_us, least["kindred", many].cpu_us / PEOPLE
        print(f"a person {one}: {person:.1f} µs alone, {batched:.1f} µs in {many}: {person / batched:.1f} times less")


if __name__ == "__main__":
    main()
