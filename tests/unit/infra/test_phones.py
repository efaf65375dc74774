"""Phone numbers in one spelling, by the region of who sent them, and what sort of line they are."""

import pytest

from infra import phones


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("(614) 555-0123", "US", "+16145550123"),
        ("tel:+1-614-555-0123", "GB", "+16145550123"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("0044 20 7946 0000", "DE", "+442079460000"),
        ("+44 (0)20 7946 0000", "US", "+442079460000"),
        ("030 123456", "DE", "+4930123456"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06-1234 5678", "NL", "+31612345678"),
        ("03-1234-5678", "JP", "+81312345678"),
        ("555-0123", "US", None),  # no area code: it rings somebody else in every town
        ("614-555-0123 x316", "US", None),
        ("000000", "DE", None),
        ("12", "US", None),
        ("614-555-0123", "XX", None),
    ],
)
def test_a_number_is_read_by_its_region(typed: str, region: str, number: str | None) -> None:
    assert phones.e164(typed, region) == number


def test_a_line_is_a_households_a_persons_or_a_companys() -> None:
    lines = {
        n: phones.line(n) for n in ("+4930123456", "+491711234567", "+18005550199", "+443001234567", "+16145550101")
    }
    assert lines == {
        "+4930123456": "landline",
        "+491711234567": "mobile",
        "+18005550199": "service",
        "+443001234567": "service",
        "+16145550101": "unknown",
    }
    assert [n for n in lines if phones.is_service(n)] == ["+18005550199", "+443001234567"]
