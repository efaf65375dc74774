"""The street of `tests/support/street.py`, as fixtures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from street import RECORDS, everyday, record, refusal, runtime, workspace


@pytest.fixture
def street(spark: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return the making of a runtime: run number, records, events and refusals in, a lake to resolve out."""
    root = workspace(tmp_path / "workspace")

    def made(*told: Any, **named: Any) -> Any:
        return runtime(spark, root, *told, **named)

    return made


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return everyday()


@pytest.fixture
def refused() -> Callable[[str, int], dict[str, Any]]:
    return refusal


@pytest.fixture
def told() -> Callable[..., dict[str, Any]]:
    return record


@pytest.fixture
def people() -> list[dict[str, Any]]:
    return list(RECORDS)
