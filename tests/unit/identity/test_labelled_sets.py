"""Accuracy on public labelled people, learnt without their labels. Floors well above any exact rule."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from identity.config import IdentityConfig
from infra.identifiers import IdentifierType


@pytest.fixture
def learning(identity_config: IdentityConfig) -> IdentityConfig:
    """The template for sets without families: no caution against relatives and namesakes is called for."""
    types = {"email": identity_config.identifiers["email"], "ssn": IdentifierType(normaliser="code")}
    thresholds = identity_config.thresholds.model_copy(update={"caution": 0.0, "merge": 0.0, "cluster": -2.0})
    model = identity_config.model.model_copy(update={"sample_pairs": 200_000})
    return identity_config.model_copy(update={"identifiers": types, "thresholds": thresholds, "model": model})


def febrl(path: Path, told: Any, number: str | None) -> tuple[list[Any], dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [{k.strip(): (v or "").strip() for k, v in row.items()} for row in csv.DictReader(lines)]
    records = [
        told(
            r["rec_id"],
            {
                "given_name": r["given_name"], "family_name": r["surname"], "birth_date": r["date_of_birth"],
                "street": f"{r['street_number']} {r['address_1']}".strip(),
                "city": r["suburb"], "postcode": r["postcode"],
            },
            {"ssn": r[number]} if number and r[number] else {},
        )
        for r in rows
    ]  # fmt: skip
    return records, {r["rec_id"]: r["rec_id"].split("-")[1] for r in rows}


@pytest.mark.parametrize(("number", "floor"), [("soc_sec_id", 0.99), (None, 0.97)])
def test_febrl3(
    test_data: Path, resolved: Callable[..., Any], told: Any, learning: IdentityConfig, number: str | None, floor: float
) -> None:
    records, person_of = febrl(test_data / "identity" / "febrl" / "dataset3.csv.gz", told, number)
    precision, recall, f1 = resolved(records, trained=True, config=learning).pairwise(person_of)
    assert precision >= 0.99, (precision, recall)
    assert f1 >= floor, (precision, recall)


def test_fake_1000(test_data: Path, resolved: Callable[..., Any], told: Any, learning: IdentityConfig) -> None:
    with (test_data / "identity" / "fake_1000" / "fake_1000.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    records = [
        told(
            r["unique_id"],
            {"given_name": r["first_name"], "family_name": r["surname"], "birth_date": r["dob"], "city": r["city"]},
            {"email": r["email"].lower()} if "@" in r["email"] else {},
        )
        for r in rows
    ]
    person_of = {r["unique_id"]: r["cluster"] for r in rows}
    precision, recall, f1 = resolved(records, trained=True, config=learning).pairwise(person_of)
    assert precision >= 0.98, (precision, recall)
    assert f1 >= 0.85, (precision, recall)
