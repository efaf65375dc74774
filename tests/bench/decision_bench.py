"""Decisions a second: `consent.decide` and the compiled policy in Python, and the Spark column in local mode.

Run with: python tests/bench/decision_bench.py [people] [--spark]
People have one to four identifiers and 0 to 8 words each (3 on average) under the policy that `kindred init` writes.
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]

from histories import random_people  # noqa: E402 - found once the path is set

from consent.compiled import Compiled  # noqa: E402
from consent.config import load_policy  # noqa: E402
from consent.decide import decide  # noqa: E402
from consent.model import Policy, Question  # noqa: E402
from infra.ids import Purpose  # noqa: E402
from infra.workspace import Workspace  # noqa: E402

TEMPLATE = Path(__file__).parents[2] / "api" / "templates" / "workspace" / "consent"
_SPARK_PEOPLE = 100_000
_ROUNDS = 3


def shipped(folder: Path) -> Policy:
    shutil.copytree(TEMPLATE, folder / "consent")
    (folder / "kindred.yaml").write_text("name: bench\n", encoding="utf-8")
    return load_policy(Workspace.open(folder))


def asked(policy: Policy, people: int) -> list[Question]:
    chance = random.Random(1)  # noqa: S311 - cases, not secrets
    names = list(policy.purposes)
    found = random_people(chance, people)
    entries = ([replace(e, purpose=Purpose(chance.choice(names))) for e in one.entries] for one in found)
    return [
        replace(one, entries=tuple(said), purpose=chance.choice(names))
        for one, said in zip(found, entries, strict=True)
    ]


def rate(answer: Callable[[Question], object], questions: list[Question]) -> float:
    """Return decisions a second, the best of several rounds: the others were disturbed."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for one in questions:
            answer(one)
        best = min(best, time.perf_counter() - began)
    return len(questions) / best


def in_spark(policy: Policy, questions: list[Question], folder: Path) -> tuple[int, float]:
    """Return how many rows (a person and a purpose each) the screen answered, and in how many seconds."""
    from pyspark.sql import functions as f

    from consent.screen import screen
    from consent.tables import CONSENT_EVENT
    from infra.settings import EngineSettings
    from infra.spark import session

    spark = session(EngineSettings(), folder)
    # As a job finds them: the ledger and the groups lie in files.
    fields = [
        (c.name, pa.timestamp("us", tz="UTC") if c.sql == "TIMESTAMP" else pa.string()) for c in CONSENT_EVENT.columns()
    ]
    columns: dict[str, list[Any]] = {name: [] for name, _ in fields}
    for entry in (entry for one in questions for entry in one.entries):
        for name, column in columns.items():
            column.append(getattr(entry, "sid" if name == "token" else name))
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), folder / "ledger.parquet")
    rows = [
        (str(number), holder.sid, holder.link, (*one.jurisdictions, None)[0])
        for number, one in enumerate(questions)
        for holder in one.holders
    ]
    names = ("group_id", "token", "link", "jurisdiction")
    held = {name: pa.array(column, pa.string()) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    pq.write_table(pa.table(held), folder / "groups.parquet")
    groups, ledger = (spark.read.parquet(str(folder / f"{name}.parquet")) for name in ("groups", "ledger"))
    screen(groups.limit(10), ledger.limit(10), policy, policy.purposes, questions[0].as_of).count()
    began = time.perf_counter()
    answers = screen(groups, ledger, policy, policy.purposes, questions[0].as_of)
    total = answers.groupBy("allowed").count().agg(f.sum("count")).first()[0]
    seconds = time.perf_counter() - began
    spark.stop()
    return int(total), seconds


def main() -> None:
    given = [word for word in sys.argv[1:] if not word.startswith("-")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = shipped(folder)
        questions = asked(policy, int(given[0]) if given else 50_000)
        words = sum(len(one.entries) for one in questions) / len(questions)
        print(f"{len(questions):,} people with {words:.1f} words each")
        print(f"decide (the law)   {rate(lambda one: decide(one, policy), questions):>10,.0f} decisions a second")
        print(f"compiled           {rate(Compiled(policy).decide, questions):>10,.0f} decisions a second")
        if "--spark" in sys.argv:
            total, seconds = in_spark(policy, asked(policy, _SPARK_PEOPLE), folder / "spark")
            print(f"Spark column       {total / seconds * 60:>10,.0f} rows a minute ({total:,} in {seconds:.1f} s)")


if __name__ == "__main__":
    main()
