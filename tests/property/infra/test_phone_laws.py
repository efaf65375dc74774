"""A number in one of its ordinary forms is read as its country's plan reads it."""

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from infra import phones
from infra.identifiers import normalise

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
REGIONS = ["US", "CA", "GB", "DE", "IT", "BR", "AG", "MX", "AR"]

digits = st.text("0123456789", min_size=1, max_size=15)
international = st.builds(lambda code, rest: f"+{code}{rest}", st.sampled_from(CODES), digits)
part = st.sampled_from(["", "-", ".", " "])
american = st.builds(
    lambda plus, area, form, one, middle, two, end: plus + form.format(area) + one + middle + two + end,
    st.sampled_from(["", "+1", "+1 ", "1", "1-", "+", "0"]),
    st.text("0123456789", min_size=3, max_size=3),
    st.sampled_from(["{}", "({})", "({}", "{})"]),
    part,
    st.text("0123456789", min_size=3, max_size=3),
    part,
    st.text("0123456789", min_size=4, max_size=4),
)


def by_the_plan(text: str, region: str) -> str | None:
    value = phones._written(phones._number(text, region))
    return value if value is not None and phones._written(phones._number(value, None)) == value else None


@given(numbers=st.lists(st.one_of(international, american, st.text(max_size=20)), min_size=40, max_size=40))
def test_ordinary_forms_are_read_as_the_plan_reads_them(numbers: list[str]) -> None:
    for text in numbers:
        for region in REGIONS:
            assert phones.e164(text, region) == by_the_plan(text, region), (text, region)


@given(codes=st.permutations(CODES), rest=st.lists(digits, min_size=len(CODES), max_size=len(CODES)))
def test_every_country_s_numbers_are_read_as_its_plan_reads_them(codes: list[int], rest: list[str]) -> None:
    for code, number in zip(codes, rest, strict=True):
        text = f"+{code}{number}"
        assert phones.e164(text) == by_the_plan(text, "US"), text


@given(text=st.one_of(american, international))
def test_spelling_a_spelled_number_changes_nothing(text: str) -> None:
    value = normalise("phone", text)
    assert value is None or normalise("phone", value) == value
