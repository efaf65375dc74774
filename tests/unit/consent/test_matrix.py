"""Which row of the matrix a place falls under."""

import pytest

from consent.matrix import candidates, selection
from consent.model import MatrixRow, Policy, PurposeTerms
from infra.ids import Purpose

ADS = Purpose("ads")
ROWS = ("*", "EU", "EEA", "DE", "US", "US-CA")


@pytest.fixture
def policy() -> Policy:
    rows = tuple(MatrixRow(purpose=ADS, basis="consent", line=n, jurisdiction=place) for n, place in enumerate(ROWS))
    return Policy(version="v", purposes={ADS: PurposeTerms(name=ADS, line=1)}, rows=rows, masks={})


@pytest.mark.parametrize(
    ("stated", "row"),
    [
        ("DE", "DE"), ("DE-BY", "DE"), ("FR", "EU"), ("FR-75", "EU"), ("EU", "EU"), ("NO", "EEA"), ("EEA", "EEA"),
        ("US-CA", "US-CA"), ("US-OH", "US"), ("GB", "*"), ("CH", "*"),
    ],
)  # fmt: skip
def test_the_narrowest_place_counts_and_a_union_covers_its_members(policy: Policy, stated: str, row: str) -> None:
    chosen = selection(policy, policy.purposes[ADS], None, None)
    assert [ROWS[index] for index in candidates(chosen, [stated], [])] == [row]
