"""What a profile read costs beside the least that the same server can do: `kindred bench serving`.

All rows are measured in one run, in turns, the first turn left out. CPU time an answer (of the server's process tree)
is the figure to compare: answers a second depend on who else uses the machine, and here the client is one of them.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from serving_load import Line, Run, closed, cpu_seconds, each, histogram, http_length, memory, opened, resp_length
from serving_servers import FIRST, feast, hottest, product, served, valkey
from serving_world import PEOPLE, asked, profile_id, requests, world

PORT = 9480
SIZES = (10_000, 100_000)
IDS, EMAILS = f"{PEOPLE} ids", f"{PEOPLE} emails"
# What each row is held against, and how much of it (or how many times it) is wanted.
TARGETS = (
    ("by id", "hello", 0.8),
    ("by email", "reader", 0.5),
    ("by phone", "reader", 0.5),
    ("by id", "FastAPI GET", 2.0),
    ("by email", "FastAPI POST", 2.0),
)
_FEAST_PEOPLE = 1_000


@dataclass
class Row:
    """One line of the table: a server and what it is asked."""

    name: str
    pid: int
    ask: Callable[[float], Run]
    runs: list[Run] = field(default_factory=list)

    def turn(self, seconds: float) -> Run:
        """Return a run with the CPU time that the server spent on it."""
        before = cpu_seconds(self.pid)
        run = self.ask(seconds)
        run.cpu = cpu_seconds(self.pid) - before
        return run

    @property
    def least(self) -> Run:
        """Return the least disturbed run: what else the machine does only ever adds."""
        return min(self.runs, key=lambda run: run.cpu_us)

    def facts(self) -> dict[str, Any]:
        """Return the row for machines."""
        best = self.least
        return {
            "cpu_us": round(best.cpu_us, 2),
            "cpu_us_rounds": [round(run.cpu_us, 2) for run in self.runs],
            "per_second": round(max(run.rate for run in self.runs)),
            "p50_ms": round(best.later(0.5), 3),
            "p99_ms": round(best.later(0.99), 3),
            "failed": sum(run.failed for run in self.runs),
        }


def main() -> int:
    """Measure and print; end with 1 where a request failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--feast", type=Path, help="the Python of an environment that has Feast")
    parser.add_argument("--world", type=Path, help="a folder where the profiles are kept for the next run")
    parser.add_argument("--out", type=Path, help="a file for the figures, as JSON")
    parser.add_argument("--alone", action="store_true", help="go before whoever else uses the cores; needs root")
    wanted = parser.parse_args()
    if wanted.alone:
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    with ExitStack() as stack:
        place = wanted.world or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sizes = [*(size for size in SIZES if size < wanted.profiles), wanted.profiles]
        worlds = {size: _made(place / str(size), size) for size in sizes}
        told: dict[str, Any] = {"profiles": wanted.profiles, "load_before": os.getloadavg()}
        told |= _table(wanted, worlds[wanted.profiles])
        told |= _curve(wanted, worlds)
        told |= _half(wanted, worlds[wanted.profiles])
        told |= _profile(wanted, worlds[wanted.profiles])
    if wanted.out is not None:
        wanted.out.write_text(json.dumps(told, indent=1))
    return 1 if any(row["failed"] for row in told["rows"].values()) else 0


def _made(place: Path, size: int) -> tuple[Path, str]:
    kept = place / "bench.key"
    if not kept.is_file():
        place.mkdir(parents=True, exist_ok=True)
        begun, cpu = time.perf_counter(), time.process_time()
        kept.write_text(world(place, size))
        took, spent = time.perf_counter() - begun, time.process_time() - cpu
        on_disk = sum(file.stat().st_blocks * 512 for file in place.rglob("*.mdb")) / 2**20
        print(f"{size:,} profiles made in {took:.0f} s ({spent:.0f} s of CPU): {on_disk:,.0f} MB on disk")
    return place, kept.read_text()


def _table(wanted: argparse.Namespace, made: tuple[Path, str]) -> dict[str, Any]:
    with _rows(wanted, *made) as rows:
        _turns(rows.values(), wanted)
        facts = {name: row.facts() for name, row in rows.items()}
    print(f"\n{'':22}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'failed':>8}")
    for name, row in facts.items():
        print(
            f"{name:22}{row['per_second']:10,}{row['p50_ms']:9.2f}{row['p99_ms']:9.2f}{row['cpu_us']:9.1f}"
            f"{row['failed']:8}"
        )
    ratios = {f"{one} / {other}": facts[other]["cpu_us"] / facts[one]["cpu_us"] for one, other, _ in TARGETS}
    print("\nratios of CPU time (of the bare row to ours)")
    for one, other, least in TARGETS:
        ratio = ratios[f"{one} / {other}"]
        print(f"{one + ' of ' + other:32}{ratio:6.2f}   wanted {least}: {'met' if ratio >= least else 'missed'}")
    for one, many in (("by id", IDS), ("by email", EMAILS)):
        ratio = ratios[f"{many} a person / {one}"] = facts[one]["cpu_us"] / facts[many]["cpu_us"] * PEOPLE
        met = "met" if ratio >= 20 else "missed"
        print(f"{f'a person of {many}, {one} alone':32}{ratio:6.2f}   wanted 20: {met}")
    floor = facts["many_bytes"]["cpu_us"]
    print(f"a bare handler spends {floor / PEOPLE:.2f} µs a person of a batch's bytes, without finding any")
    return {"rows": facts, "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()}}


@contextmanager
def _rows(wanted: argparse.Namespace, root: Path, key: str) -> Iterator[dict[str, Row]]:
    questions = requests(key, wanted.profiles)
    body = _one_answer(root, questions)
    values = {f"p{number}": body for number in range(1_000)}
    gets = [f"*2\r\n$3\r\nGET\r\n${len(name)}\r\n{name}\r\n".encode() for name in values]
    people = [profile_id(number) for number in range(min(wanted.profiles, _FEAST_PEOPLE))]
    features = [f"profile:{kind}_{n}" for kind, count in (("trait", 20), ("attribute", 8)) for n in range(count)]
    fed = [
        asked("POST /get-online-features", "none", {"features": features, "entities": {"profile_id": [one]}})
        for one in people
    ]
    with ExitStack() as stack:
        start = stack.enter_context
        apps = ("hello", "hello_rsgi", "same_bytes", "reader", "reader_rsgi", "many_bytes", "framework")
        ports = {name: PORT + number for number, name in enumerate((*apps, "kindred", "valkey", "feast"))}
        pids = {name: start(served(f"serving_apps:{name}", root, ports[name])) for name in apps}
        pids["kindred"] = start(product(root, ports["kindred"]))
        rows: dict[str, Row] = {}

        def row(name: str, server: str, asks: list[bytes], **how: Any) -> None:
            port = ports[server]
            rows[name] = Row(name, pids[server], lambda seconds: closed(port, asks, seconds, **how))

        row("hello", "hello", questions["by id"])
        row("hello (RSGI)", "hello_rsgi", questions["by id"])
        row("same_bytes", "same_bytes", questions["by id"])
        row("by id", "kindred", questions["by id"])
        row("reader", "reader", questions["by email"])
        row("reader (RSGI)", "reader_rsgi", questions["by email"])
        row("by email", "kindred", questions["by email"])
        row("by phone", "kindred", questions["by phone"])
        row("FastAPI GET", "framework", questions["by id"])
        row("FastAPI POST", "framework", questions["by email"])
        row("many_bytes", "many_bytes", questions[IDS])
        row(IDS, "kindred", questions[IDS])
        row(EMAILS, "kindred", questions[EMAILS])
        redis = start(valkey(ports["valkey"], values))
        if redis is not None:
            pids["valkey"] = redis
            row("Valkey GET", "valkey", gets, length=resp_length)
            row("Valkey GET, 16 at once", "valkey", gets, length=resp_length, answers=16)
        server = start(feast(wanted.feast, ports["feast"], people))
        if server is not None:
            pids["feast"] = server
            row("Feast", "feast", fed)
        yield rows


def _one_answer(root: Path, questions: dict[str, list[bytes]]) -> bytes:
    """Return the body of one of the product's answers."""
    port = PORT + 15
    with product(root, port):
        answer = _answer(port, questions["by id"][0])
    return answer[answer.index(b"\r\n\r\n") + 4 :]


def _answer(port: int, question: bytes) -> bytes:
    line = Line(port, http_length, 1)
    line.ask(question, 0.0)
    while (answer := line.heard()) is None:
        pass
    line.close()
    return answer


def _turns(rows: Any, wanted: argparse.Namespace) -> None:
    rows = list(rows)
    for turn in range(wanted.rounds + 1):
        for row in rows:
            run = row.turn(min(wanted.seconds, 0.5) if turn == 0 else wanted.seconds)
            if turn:
                row.runs.append(run)


def _curve(wanted: argparse.Namespace, worlds: dict[int, tuple[Path, str]]) -> dict[str, Any]:
    names = ("by id", "by email", IDS)
    rows: dict[tuple[int, str], Row] = {}
    started: dict[int, dict[str, float]] = {}
    with ExitStack() as stack:
        hello = stack.enter_context(served("serving_apps:hello", worlds[wanted.profiles][0], PORT))
        for number, (size, (root, key)) in enumerate(worlds.items()):
            port, begun = PORT + 1 + number, time.perf_counter()
            pid = stack.enter_context(product(root, port))
            questions = requests(key, size)
            _answer(port, questions["by id"][0])
            started[size] = {"s": round(time.perf_counter() - begun, 2), "cpu_s": round(cpu_seconds(pid), 2)}
            for name in names:
                rows[size, name] = Row(name, pid, _closing(port, questions[name]))
        first = requests("-", 1)["by id"]
        rows[0, "hello"] = Row("hello", hello, _closing(PORT, first))
        _turns(rows.values(), wanted)
        kept = {size: memory(rows[size, "by id"].pid) for size in worlds}
    print(f"\n{'profiles':>10}" + "".join(f"{name + ' µs':>14}" for name in names) + f"{'start s':>10}{'CPU s':>8}")
    for size in worlds:
        cells = "".join(f"{rows[size, name].least.cpu_us:14.1f}" for name in names)
        print(f"{size:10,}{cells}{started[size]['s']:10.2f}{started[size]['cpu_s']:8.2f}")
    print(f"(hello beside it: {rows[0, 'hello'].least.cpu_us:.1f} µs)")
    curve = {size: {name: round(rows[size, name].least.cpu_us, 2) for name in names} for size in worlds}
    return {"curve": curve, "start": started, "memory_mb": kept}


def _closing(port: int, questions: list[bytes]) -> Callable[[float], Run]:
    return lambda seconds: closed(port, questions, seconds)


def _half(wanted: argparse.Namespace, made: tuple[Path, str]) -> dict[str, Any]:
    questions = requests(made[1], wanted.profiles)
    mixed = [one for three in zip(*(questions[f"by {how}"] for how in ("id", "email", "phone"))) for one in three]  # noqa: B905
    with product(made[0], PORT) as pid:
        full = max(closed(PORT, mixed, wanted.seconds).rate for _ in range(3))
        run = opened(PORT, mixed, max(wanted.seconds * 4, 2), full / 2)
        everybody = [
            _batch_of(made[1], range(start, min(start + PEOPLE, wanted.profiles)))
            for start in range(0, wanted.profiles, PEOPLE)
        ]
        before = memory(pid)
        each(PORT, everybody)
        after = memory(pid)
    with served("serving_apps:reader_rsgi", made[0], PORT):
        bare = opened(PORT, mixed, max(wanted.seconds * 4, 2), full / 2)
    steps = histogram(run.times)
    print(f"\nhalf of saturation ({full / 2:,.0f} a second, by id, email and phone in turn, none left out)")
    print(f"p50 {run.later(0.5):.2f} ms, p99 {run.later(0.99):.2f} ms (wanted 5), p99.9 {run.later(0.999):.2f} ms")
    print(f"(a bare handler at that rate: p99 {bare.later(0.99):.2f} ms, p99.9 {bare.later(0.999):.2f} ms)")
    most = max(count for _, count in steps)
    for until, count in steps:
        print(f"  up to {until:8.2f} ms {count:8,} {'#' * round(count / most * 50)}")
    print(f"memory: {before[0]} MB of its own before everybody was read once, {after[0]} MB after ({after[1]} MB with")
    print("the mapped file's pages, which are the system's to take back)")
    return {
        "half": {
            "rate": round(full / 2),
            "p50_ms": round(run.later(0.5), 3),
            "p99_ms": round(run.later(0.99), 3),
            "p999_ms": round(run.later(0.999), 3),
            "bare_p99_ms": round(bare.later(0.99), 3),
            "failed": run.failed,
            "load": os.getloadavg(),
            "histogram": steps,
        },
        "memory": {"own_before": before[0], "own_after": after[0], "resident_after": after[1]},
    }


def _batch_of(key: str, numbers: range) -> bytes:
    body = {"people": [{"profile_id": profile_id(n)} for n in numbers], "purpose": "service"}
    return asked("POST /v1/profiles:batchLookup", key, body)


def _profile(wanted: argparse.Namespace, made: tuple[Path, str]) -> dict[str, Any]:
    questions, tops = requests(made[1], wanted.profiles), {}
    for name in ("by id", "by email", IDS):
        with served("serving_apps:sampled", made[0], PORT):
            closed(PORT, questions[name], max(wanted.seconds * 3, 3))
        tops[name] = hottest(made[0] / "samples")
        print(f"\nwhere the CPU time of {name} goes: functions without what they call")
        for share, function in tops[name]:
            print(f"  {share:6.1%}  {function}")
    return {"hottest": tops}


if __name__ == "__main__":
    sys.exit(main())
