from typing import Any

import pyarrow as pa
from sqlalchemy import Engine

from consent.funnel import FunnelCount, counts, funnel, lines, record_funnel


def batch(*rows: tuple[str, bool, str, str]) -> pa.RecordBatch:
    names = ["purpose", "allowed", "reason", "policy_line"]
    return pa.RecordBatch.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


YES = ("ads", True, "consent", "policy.yaml:8")
NO = ("ads", False, "refused", "policy.yaml:8")
SILENT = ("ads", False, "no_consent", "policy.yaml:8")
SERVICE = ("service", True, "contract", "policy.yaml:5")


def test_the_funnel_counts_over_batches() -> None:
    rows = counts([batch(YES, NO, NO), batch(YES, SERVICE, NO)])
    assert rows == (FunnelCount(*NO, 3), FunnelCount(*YES, 2), FunnelCount(*SERVICE, 1))


def test_a_stage_that_is_run_again_replaces_its_rows(database: Engine) -> None:
    record_funnel(database, "r1", "resolve", counts([batch(YES, NO)]))
    record_funnel(database, "r1", "serve", counts([batch(SERVICE)]))
    record_funnel(database, "r2", "resolve", counts([batch(NO)]))
    record_funnel(database, "r1", "resolve", counts([batch(YES)]))
    assert funnel(database, "r1") == {"resolve": (FunnelCount(*YES, 1),), "serve": (FunnelCount(*SERVICE, 1),)}
    record_funnel(database, "r1", "serve", ())
    assert set(funnel(database, "r1")) == {"resolve"}


def test_the_printed_lines_say_in_left_out_why_and_by_which_line() -> None:
    rows: Any = counts([batch(*[YES] * 1200, NO, SILENT, SILENT, SERVICE)])
    why = "no_consent 2 (policy.yaml:8), refused 1 (policy.yaml:8)"
    assert list(lines("build", rows)) == [
        f"consent at build: ads                  in     1,200 by consent (policy.yaml:8) · left out 3: {why}",
        "consent at build: service              in         1 by contract (policy.yaml:5)",
    ]
    assert list(lines("build", counts([batch(NO)]))) == [
        "consent at build: ads                  in         0 · left out 1: refused 1 (policy.yaml:8)"
    ]
