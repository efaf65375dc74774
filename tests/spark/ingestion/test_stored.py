"""Objects of a storage are files to a run: taken in once, again where they changed, also after a run that died."""

from typing import Any
from uuid import uuid4

import fsspec
import pytest

from infra.workspace import Workspace
from ingestion.connectors.objects import copies_of
from ingestion.errors import SourceFilesMissing
from ingestion.tables import RECORDS
from ingestion.transforms import current_records

pytestmark = pytest.mark.spark

CRM = """
source: crm
connector: {{type: files, path: "memory://{bucket}/**/*.csv", format: csv}}
record: person
key: id
fields: {{given_name: name}}
identifiers: {{email: email}}
"""
ZOO = """
source: zoo
connector: {type: files, path: data/zoo.csv, format: csv}
record: catalogue
key: id
"""


def fate(account: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in account.items() if count}


@pytest.mark.nightly  # by day tests/unit/ingestion/test_objects.py
def test_objects_are_taken_in_once_and_where_they_changed(shop: Any) -> None:
    bucket, storage = uuid4().hex, fsspec.filesystem("memory")

    def put(name: str, *people: str) -> None:
        rows = "".join(f"{one},{one.title()},{one}@example.org\n" for one in people)
        storage.pipe(f"/{bucket}/{name}", f"id,name,email\n{rows}".encode())

    shop.declare("crm", CRM.format(bucket=bucket))
    put("day 1/a.csv", "ann", "bob")
    put("day 2/a.csv", "cid")
    assert fate(shop.run()["crm"]) == {"read": 3, "accepted": 3}
    for copy in copies_of(Workspace.open(shop.root), "crm").values():
        copy.unlink()  # as after a week: what is known is not asked for again
    assert fate(shop.run()["crm"]) == {"read": 3, "duplicate": 3}
    put("day 2/a.csv", "cid", "dan")
    shop.declare("zoo", ZOO)
    with pytest.raises(SourceFilesMissing):  # by then the run has brought the object
        shop.run()
    put("day 2/a.csv", "eve")
    shop.write("data/zoo.csv", "id\n1\n")
    assert fate(shop.run(resume=True)["crm"]) == {"read": 4, "accepted": 1, "duplicate": 3}
    assert fate(shop.run()["crm"]) == {"read": 3, "accepted": 1, "duplicate": 2}
    assert {row["key"] for row in current_records(shop.read(RECORDS)).collect()} == {"ann", "bob", "cid", "dan", "eve"}
    shop.declare("crm", CRM.format(bucket=bucket).replace("given_name: name", "given_name: email"))
    assert fate(shop.run("crm")["crm"]) == {"read": 3, "accepted": 3, "changed": 3}
    storage.rm(f"/{bucket}", recursive=True)
