"""A declared table keeps people out of Delta's log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import pytest

from infra.tables import PERSONAL, Table, sql_type


@dataclass
class Part:
    kind: str
    value: str


@dataclass
class Row:
    key: str
    email: Annotated[str | None, PERSONAL]
    parts: Annotated[list[Part], PERSONAL]
    notes: dict[str, str]
    at: datetime | None
    count: int


TABLE = Table("sample", Row, ("key",))


def test_the_schema_follows_from_the_row_type() -> None:
    assert TABLE.ddl() == (
        "key STRING NOT NULL, email STRING, parts ARRAY<STRUCT<kind:STRING,value:STRING>> NOT NULL, "
        "notes MAP<STRING,STRING> NOT NULL, at TIMESTAMP, count BIGINT NOT NULL"
    )


def test_statistics_leave_personal_columns_out() -> None:
    assert TABLE.statistics() == ("key", "at", "count")
    assert TABLE.personal() == ("email", "parts")
    assert TABLE.properties()["delta.dataSkippingStatsColumns"] == "key,at,count"


def test_a_type_without_sql_is_refused() -> None:
    with pytest.raises(TypeError, match="has no SQL type"):
        sql_type(complex)
