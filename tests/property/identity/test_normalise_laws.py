"""Normalisers answer for every text, and change nothing when applied to their own answer."""

from hypothesis import given
from hypothesis import strategies as st

from identity.fields import addresses, dates, eastern, names

texts = st.text(max_size=40) | st.sampled_from(
    [
        "Dr. Mary-Ann O'Neill Jr",
        "van der Berg, Anna",
        "12 Oak Street #4",
        "1984-03-09",
        "Straße 5",
        "李小龍",
        "山田 太郎",
        "Mac Mc Donald",
        "İstanbul",
        "ﬁne",
    ]
)


@given(texts)
def test_folding_is_idempotent_and_ascii(text: str) -> None:
    once = names.folded(text)
    assert names.folded(once) == once
    assert once.isascii()


@given(texts, texts, texts)
def test_a_name_normalised_is_its_own_normal_form(given_: str, family: str, full: str) -> None:
    once = names.name(given_, family, full)
    again = names.name(f"{once.given} {once.middle}".strip(), once.family, suffix=once.suffix)
    assert once.given in {again.given, ""}
    assert all(part.isascii() for part in (once.given, once.middle, once.family, once.suffix))


EASTERN = st.text("李小龙歐陽山田太郎々김민준남궁ジョンたろう・ 様씨", max_size=8)


@given(EASTERN)
def test_a_name_in_an_eastern_script_keeps_every_sign_but_the_honorific(full: str) -> None:
    told = eastern.parts(full)
    if told is not None:
        family, given_ = told
        assert family
        assert sorted((family + given_).replace(" ", "")) == sorted(
            sign for sign in eastern.without_honorific(full) if sign not in "・ "
        )


@given(texts)
def test_dates_places_and_sexes_are_idempotent(text: str) -> None:
    for rule in (dates.birth_date, dates.sex, addresses.city, addresses.postcode):
        assert rule(rule(text)) == rule(text)


PIECES = st.lists(
    st.sampled_from(
        ["12", "5", "4b", "b", "e", "#", "/", "-", ",", "apt", "flat", "no", "n°", "bis", "ter", "oak", "street", "st", "hauptstraße",
         "rd", "county", "po box", "bp", "postfach", "1-2-3", "丁目", "番", "渋谷", "rue", "des", "17th", "1/2", "the", "lot", "nr", "a"]
    ),
    max_size=8,
)  # fmt: skip


@given(texts | PIECES.map(" ".join) | PIECES.map("".join))
def test_a_street_is_idempotent(text: str) -> None:
    once = addresses.street(text)
    assert addresses.street(once.line).line == once.line


@given(texts)
def test_forms_of_a_given_name_hold_the_name_itself(text: str) -> None:
    name = names.folded(text).partition(" ")[0]
    assert not name or name in names.given_forms(name)
