"""Events a second that the collector takes in, and what a request costs in CPU, beside a server that only reads it.

`python tests/bench/collector_bench.py [--seconds S] [--rounds N]`. Both are the same server and read the same bodies;
the bare one answers a constant. Everything of the product is on: keys, rules, a verdict for each event, and the event
log durable before the answer. CPU a request (from /proc, of the server's process tree) is the figure to compare;
events a second also depend on the disk and on who else uses the machine. Needs `wrk`.
"""

import argparse
import base64
import json
import random
import shutil
import tempfile
import uuid
from pathlib import Path

from lookup_bench import AT, KEY, TEMPLATES, Result, load, served

from api.http.keys import create_key
from api.http.store import METADATA
from infra.database import open_database

BATCH = 100
BODIES = 32


def workspace(root: Path) -> str:
    """Make a workspace with a collector source and return its write key."""
    shutil.copytree(TEMPLATES, root, dirs_exist_ok=True)
    page = root / "kindred.yaml"
    page.write_text(page.read_text().replace("NAME", "bench"))
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={KEY}\n")
    (root / "state").mkdir(exist_ok=True)
    database = open_database(f"sqlite:///{root}/state/kindred.db", METADATA)
    key = create_key(database, name="bench", scopes={"events:write"}, purposes=(), source="web", at=AT)
    database.dispose()
    return key


def event(chance: random.Random) -> dict[str, object]:
    """Return an event of about 690 bytes, as a browser's SDK sends it."""
    return {
        "timestamp": "2026-11-22T09:30:00.123Z",
        "integrations": {},
        "type": "track",
        "event": "Product Viewed",
        "userId": None if chance.random() < 0.5 else f"u-{chance.randrange(5_000)}",
        "anonymousId": str(uuid.UUID(int=chance.getrandbits(128))),
        "properties": {"product_id": f"p{chance.randrange(900)}", "price": 14.99, "currency": "EUR", "position": 3},
        "context": {
            "page": {"path": "/p/7", "referrer": "", "search": "", "title": "A tea", "url": "https://shop.example/p/7"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari",
            "locale": "en-GB",
            "library": {"name": "analytics.js", "version": "npm:next-1.81.0"},
            "timezone": "Europe/Berlin",
        },
        "messageId": f"ajs-next-{chance.getrandbits(128):032x}",
    }


def script(folder: Path, name: str, key: str, bodies: list[bytes]) -> str:
    """Return the load as a wrk script that sends one body after the other."""
    for place, body in enumerate(bodies):
        (folder / f"{name}{place}.json").write_bytes(body)
    user = base64.b64encode(f"{key}:".encode()).decode()
    return f"""
local bodies = {{}}
for place = 0, {len(bodies) - 1} do
  local file = io.open(string.format("{folder}/{name}%d.json", place), "rb")
  bodies[place] = file:read("*a")
  file:close()
end
local turn = 0
wrk.headers["authorization"] = "Basic {user}"
wrk.headers["content-type"] = "text/plain"
request = function()
  turn = (turn + 1) % {len(bodies)}
  return wrk.format("POST", "/v1/{"t" if name == "single" else "b"}", nil, bodies[turn])
end"""


def main() -> None:
    """Measure, interleaved, and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=5)
    asked = arguments.parse_args()
    chance = random.Random(7)  # noqa: S311 - load, not secrets
    with tempfile.TemporaryDirectory() as place:
        root, folder = Path(place) / "shop", Path(place)
        key = workspace(root)
        singles = [json.dumps(event(chance), separators=(",", ":")).encode() for _ in range(BODIES)]
        batches = [
            json.dumps(
                {"batch": [event(chance) for _ in range(BATCH)], "sentAt": "2026-11-22T09:30:01.000Z"},
                separators=(",", ":"),
            ).encode()
            for _ in range(BODIES)
        ]
        loads = {"single": (singles, 1), "batch": (batches, BATCH)}
        scripts = {name: script(folder, name, key, bodies) for name, (bodies, _) in loads.items()}
        results: dict[tuple[str, str], list[Result]] = {}
        with served("reader", root, 8475) as bare, served("collector", root, 8476) as product:
            servers = {"reader": (bare, 8475), "collector": (product, 8476)}
            for turn in range(asked.rounds + 1):
                for name in loads:
                    for app, (pid, port) in servers.items():
                        result = load(pid, port, 1 if turn == 0 else asked.seconds, scripts[name], [])
                        if turn:  # the first is for warming up
                            results.setdefault((app, name), []).append(result)
                for sealed in (root / "state" / "spool" / "web").glob("*.ndjson"):
                    sealed.unlink()  # as the ingest job does with what the lake has
        _print(results, {name: count for name, (_, count) in loads.items()})


def _print(results: dict[tuple[str, str], list[Result]], counts: dict[str, int]) -> None:
    # The least disturbed round of each: what else the machine does only ever adds.
    heads = ("events/s", "p50 ms", "p99 ms", "CPU µs", "rate of bare", "CPU of bare", "failed")
    print(f"{'':20}" + "".join(f"{head:>14}" for head in heads))
    for (app, name), runs in results.items():
        best = max(runs, key=lambda r: r.rate)
        least = min(runs, key=lambda r: r.cpu_us)
        bare = results["reader", name]
        rate = best.rate / max(r.rate for r in bare)
        cpu = min(r.cpu_us for r in bare) / least.cpu_us
        cells = (f"{best.rate * counts[name]:,.0f}", f"{best.p50_ms:.2f}", f"{best.p99_ms:.2f}", f"{least.cpu_us:.1f}")
        more = (f"{rate:.2f}", f"{cpu:.2f}", str(sum(r.failed for r in runs)))
        print(f"{app + ' ' + name:20}" + "".join(f"{cell:>14}" for cell in (*cells, *more)))


if __name__ == "__main__":
    main()
