"""The record as matching sees it."""

from datetime import date

from identity.fields.features import Value, features
from infra.identifiers import IdentifierType

TYPES = {
    "email": IdentifierType(normaliser="email", blocked=("/test@.*/",)),
    "phone": IdentifierType(normaliser="phone", strength="weak", blocked=("+10000000000",)),
    "cookie": IdentifierType(normaliser="text", anonymous=True),
}
TODAY = date(2026, 11, 1)


def email(value: str) -> Value:
    return Value("email", value, f"1:{value}")


def test_fields_come_in_one_spelling() -> None:
    made = features(
        {
            "full_name": "Dr. Mary-Ann O'Neill Jr",
            "birth_date": "3/9/1984",
            "street": "12 Oak Street #4",
            "gender": "Female",
        },
        [],
        TYPES,
        TODAY,
    )
    assert (made.given_name, made.middle_name, made.family_name, made.suffix) == ("mary", "ann", "oneill", "jr")
    assert (made.birth_date, made.street, made.unit, made.sex) == ("1984-03-09", "12 oak st", "4", "f")
    assert not made.bare


def test_a_record_with_identifiers_only_is_bare() -> None:
    made = features({}, [Value("cookie", "c1", "1:c1")], TYPES, TODAY)
    assert made.bare
    assert made.given_name is None
    assert made.given_forms == []


def test_values_that_stand_for_nobody_are_left_out() -> None:
    held = [
        email("test@example.com"),
        email("ann@example.org"),
        Value("phone", "+10000000000", "1:p"),
        Value("fax", "1", "1:f"),
    ]
    assert [v.value for v in features({}, held, TYPES, TODAY).identifiers] == ["ann@example.org"]


def test_one_mailbox_has_one_value() -> None:
    made = features({}, [email("a.nn+shop@gmail.com"), email("ann@googlemail.com")], TYPES, TODAY)
    assert made.emails == ["ann@gmail.com", "ann@gmail.com"] or set(made.emails) == {"ann@gmail.com"}


def test_a_handle_is_what_a_mailbox_says_beyond_its_owners_name() -> None:
    named = {"given_name": "Jane", "family_name": "Miller"}
    assert features(named, [email("jane.miller77@example.org")], TYPES, TODAY).handle is None
    assert features(named, [email("stargazer@example.org")], TYPES, TODAY).handle == "stargazer"
    assert features(named, [email("info@example.org")], TYPES, TODAY).handle is None


def test_a_mailbox_may_end_in_a_year_of_birth() -> None:
    assert features({}, [email("jane1977@example.org")], TYPES, TODAY).mail_year == "77"
    assert features({}, [email("miller77@example.org")], TYPES, TODAY).mail_year == "77"
    assert features({}, [email("miller5@example.org")], TYPES, TODAY).mail_year is None
    assert features({}, [email("miller54321@example.org")], TYPES, TODAY).mail_year is None
