"""Objects over S3's own protocol: s3fs against a storage on this machine. It needs the extra `s3`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from s3_double import storage

from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.connectors.objects import brought, copies_of
from ingestion.errors import SourceAway, SourceFilesMissing

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]

CRM = """source: crm
connector: {type: files, path: "s3://shop/data/**/*.csv", format: csv}
record: person
key: id
"""


def test_objects_of_s3_are_brought_by_their_etag(declare: Callable[..., Workspace]) -> None:
    pytest.importorskip("s3fs", reason="pip install 'kindred[s3]' to run this")
    with storage() as held:
        who = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": held.address}
        workspace = replace(declare(CRM), environ=who)
        (source,) = load_sources(workspace)
        known: dict[tuple[str, str], int] = {}
        said: list[str] = []

        def bring() -> list[int]:
            files: Any = brought(workspace, source, source.connector, known, {n for n, _ in known}, said.append)  # type: ignore[arg-type]
            known.update({(file.path, file.sha256): file.units for file in files})
            return [file.units for file in files]

        with pytest.raises(SourceFilesMissing):
            bring()
        held.objects["shop/data/2026/a.csv"] = b"id\n1\n2\n"
        held.objects["shop/data/b.csv"] = b"id\n3\n"
        held.objects["shop/else/c.csv"] = b"id\n4\n"
        assert sorted(bring()) == [1, 2]
        assert len(copies_of(workspace, "crm")) == 2
        assert len(held.got) == 2
        assert bring() == [0, 0]
        held.objects["shop/data/b.csv"] = b"id\n5\n"  # of the same size, and in the same second
        assert sorted(bring()) == [0, 1]
        assert held.got.count("shop/data/b.csv") == 2
        held.refuses = True
        with pytest.raises(SourceAway, match="refuses these credentials") as told:
            bring()
        assert "AKIA" not in str(told.value)
    with pytest.raises(SourceAway, match="does not answer"):
        bring()
