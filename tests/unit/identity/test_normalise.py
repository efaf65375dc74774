"""One spelling for names, dates and addresses."""

from datetime import date

import pytest

from identity.fields import addresses, dates, names


@pytest.mark.parametrize(
    ("given", "family", "full", "expected"),
    [
        ("  José ", "Muñoz-García", "", ("jose", "", "munoz garcia", "")),
        ("Юлия", "Петрова", "", ("yuliya", "", "petrova", "")),
        ("Mary Ann", "O'Brien", "", ("mary", "ann", "obrien", "")),
        ("", "", "Dr. John Q. Public Jr.", ("john", "q", "public", "jr")),
        ("", "", "van der Berg, Anna Maria", ("anna", "maria", "van der berg", "")),
        ("", "", "Ludwig van Beethoven", ("ludwig", "", "van beethoven", "")),
        ("", "", "Smith, John, Sr", ("john", "", "smith", "sr")),
        ("", "", "Frau Dr. Anna von der Leyen", ("anna", "", "von der leyen", "")),
        ("", "", "John Smith, PhD", ("john", "", "smith", "")),
        ("", "", "Smith, John, MD", ("john", "", "smith", "")),
        ("", "", "Md Rahman", ("md", "", "rahman", "")),
        ("Mary", "Mc Donald", "", ("mary", "", "mcdonald", "")),
        ("", "", "李小龙", ("xiaolong", "", "li", "")),
        ("", "", "欧阳 娜娜 女士", ("nana", "", "ouyang", "")),
        ("", "", "김민준", ("minjun", "", "gim", "")),
        ("", "", "남궁민수씨", ("minsu", "", "namgung", "")),
        ("", "", "山田太郎様", ("tailang", "", "shantian", "")),
        ("", "", "やまだ たろう", ("tarou", "", "yamada", "")),
        ("", "", "ジョン・スミス", ("jiyon", "", "sumisu", "")),
        ("", "", "Петрова, Юлия", ("yuliya", "", "petrova", "")),
        ("", "", "John Unknown", ("john", "", "", "")),
        ("", "", "Cher", ("cher", "", "", "")),
        ("null", "None", "", ("", "", "", "")),
        ("N/A", "n.a.", "", ("", "", "", "")),
        ("A.", "King", "", ("a", "", "king", "")),
        ("", "", "N. Jones", ("n", "", "jones", "")),
        ("Henry", "Ford II", "", ("henry", "", "ford", "ii")),
        ("", "", "", ("", "", "", "")),
    ],
)
def test_a_name_comes_in_parts(given: str, family: str, full: str, expected: tuple[str, ...]) -> None:
    name = names.name(given, family, full)
    assert (name.given, name.middle, name.family, name.suffix) == expected


def test_a_suffix_field_of_its_own_counts() -> None:
    assert names.name("John", "Miller", suffix="Sr.").suffix == "sr"


def test_a_nickname_has_its_formal_names_but_not_their_other_nicknames() -> None:
    forms = names.given_forms("bob")
    assert {"bob", "robert"} <= set(forms)
    assert "rupert" not in names.given_forms("robert")
    assert names.given_forms("") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1984-03-09", "1984-03-09"),
        ("03/09/1984", "1984-03-09"),
        ("19840309", "1984-03-09"),
        ("9.3.1984", "1984-03-09"),
        ("1984-03-09T00:00:00Z", "1984-03-09"),
        ("Mar 9, 1984", "1984-03-09"),
        ("03/09/84", "1984-03-09"),
        ("25/12/1984", "1984-12-25"),
        ("22-12-2972", ""),
        ("31-JAN-84", "1984-01-31"),
        ("1901-01-01", ""),
        ("9999-12-31", ""),
        ("00/00/0000", ""),
        ("1984-02-31", ""),
        ("1900-01-01", ""),
        ("2030-01-01", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_a_birth_date_has_one_spelling_or_none(text: str, expected: str) -> None:
    assert dates.birth_date(text, date(2026, 11, 1)) == expected


def test_a_two_digit_year_is_never_tomorrow() -> None:
    assert dates.birth_date("05/06/68", date(2026, 11, 1)) == "1968-05-06"


@pytest.mark.parametrize(
    ("text", "expected"), [("Female", "f"), ("M", "m"), ("männlich", "m"), ("Vrouw", "f"), ("X", ""), ("", "")]
)
def test_only_a_stated_sex_is_evidence(text: str, expected: str) -> None:
    assert dates.sex(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "unit"),
    [
        ("12 Oak Street, Apt. 4B", "12 oak st", "4b"),
        ("12 OAK ST #4b", "12 oak st", "4b"),
        ("1013 North Main Avenue", "1013 n main ave", ""),
        ("P.O. Box #12", "po box 12", ""),
        ("Postfach 12", "po box 12", ""),
        ("Flat 4B, 12 High Street", "12 high st", "4b"),
        ("4/12 Smith Street", "12 smith st", "4"),
        ("12 A High Street", "12a high st", ""),
        ("12 E Main Street", "12 e main st", ""),
        ("The Old Rectory, 12 Church Lane", "12 church ln", ""),
        ("Rose Cottage, Church Lane", "rose cottage church ln", ""),
        ("100 Main Street Suite 200", "100 main st", "200"),
        ("1220 County Road 12", "1220 county rd 12", ""),
        ("Highway 61", "hwy 61", ""),
        ("350 Fifth Avenue", "350 5th ave", ""),
        ("Hauptstraße 5", "5 hauptstr", ""),
        ("Hauptstr. 5", "5 hauptstr", ""),
        ("Straße des 17. Juni 135", "135 st des 17 juni", ""),
        ("12 bis, rue de la Paix, Bât. B", "12b rue de la paix", "b"),
        ("Kerkstraat 12 A", "12a kerkstr", ""),
        ("Calle Mayor 5, 3º B", "5 calle mayor", "3o b"),
        ("渋谷1丁目2番3号", "1-2-3 segu", ""),
        ("Shibuya 1-2-3", "1-2-3 shibuya", ""),
        ("null", "", ""),
        ("", "", ""),
    ],
)
def test_a_street_has_one_spelling_and_its_unit_apart(text: str, line: str, unit: str) -> None:
    found = addresses.street(text)
    assert (found.line, found.unit) == (line, unit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("43017-1234", "43017"),
        ("430171234", "43017"),
        ("SW1A 1AA", "sw1a1aa"),
        ("D-10115", "10115"),
        ("E1 6AN", "e16an"),
        ("1234 AB", "1234ab"),
        ("〒150-0002", "1500002"),
        ("00000", ""),
        ("n/a", ""),
    ],
)
def test_a_postcode_loses_what_few_have(text: str, expected: str) -> None:
    assert addresses.postcode(text) == expected


def test_a_zip_that_was_taken_for_a_number_gets_its_zeros_back() -> None:
    assert addresses.postcode("2139", "USA") == addresses.postcode("02139-4301") == "02139"
    assert addresses.postcode("2139") == addresses.postcode("2139", "AU") == "2139"


def test_a_city_is_folded() -> None:
    assert addresses.city("Saint-Étienne") == "st etienne"
