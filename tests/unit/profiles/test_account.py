"""Whom each purpose may see and why not the others, counted from tables as a build leaves them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from consent.funnel import FunnelCount
from profiles.account import viewed

LINE = "policy.yaml:7"
SERVED = [
    FunnelCount("analytics", True, "contract", LINE, 3),
    FunnelCount("service", True, "contract", LINE, 3),
]


@pytest.fixture
def decided(lake: Path) -> Path:
    """The lake's three people, all of whom allow both purposes, and one more who said no to one."""

    def row(person: str, purpose: str, reason: str = "contract", **more: Any) -> dict[str, Any]:
        return {
            "profile_id": person,
            "purpose": purpose,
            "allowed": True,
            "reason": reason,
            "policy_line": LINE,
            **more,
        }

    rows = [row(person, purpose) for person in ("ann", "bob", "cat") for purpose in ("analytics", "service")]
    write(lake, "profile_consent", [*rows, row("dan", "analytics", "objected", allowed=False), row("dan", "service")])
    return lake


def write(lake: Path, table: str, rows: Iterable[dict[str, Any]]) -> None:
    write_deltalake(str(lake / table), pa.Table.from_pylist(list(rows)), mode="overwrite")


def found(lake: Path, *denials: tuple[str, str]) -> dict[tuple[str, str], int]:
    return {(one.purpose, one.reason): one.subjects for one in viewed(lake, denials)}


def test_everybody_is_in_or_left_out_for_one_reason(decided: Path) -> None:
    refused = FunnelCount("analytics", False, "objected", LINE, 1)
    # Dan allows service, and there is no record of his that it may use.
    lacking = FunnelCount("service", False, "no_record", LINE, 1)
    assert viewed(decided, ()) == tuple(sorted([*SERVED, refused, lacking]))
    assert viewed(decided, (), {"service"}) == tuple(sorted([SERVED[1], lacking]))


def test_who_refused_since_the_build_is_left_out_under_any_identifier(decided: Path) -> None:
    assert found(decided, ("1:ann", "analytics"), ("1:ann-near", "analytics"), ("1:bob-near", "analytics")) == {
        ("analytics", "contract"): 1,
        ("analytics", "refused_since_build"): 2,
        ("analytics", "objected"): 1,
        ("service", "contract"): 3,
        ("service", "no_record"): 1,
    }
    assert found(decided, ("1:cat", "all"), ("1:cat", "service"), ("1:nobody", "service")) == {
        ("analytics", "contract"): 2,
        ("analytics", "refused_since_build"): 1,
        ("analytics", "objected"): 1,
        ("service", "contract"): 2,
        ("service", "refused_since_build"): 1,
        ("service", "no_record"): 1,
    }


def test_a_profile_that_identity_holds_back_is_told_as_such(decided: Path) -> None:
    people = [("ann", "live"), ("bob", "live"), ("cat", "live"), ("dan", "held")]
    write(decided, "profile_index", [{"profile_id": person, "status": status} for person, status in people])
    assert found(decided) == {
        ("analytics", "contract"): 3,
        ("analytics", "objected"): 1,
        ("service", "contract"): 3,
        ("service", "held"): 1,
    }
