"""Match keys against vectors that others can compute."""

import hashlib

import pytest

from activation.match import match_key, match_keys


@pytest.mark.parametrize(
    ("key_type", "value", "spelled"),
    [
        ("email", "ann.other+news@gmail.com", "ann.other+news@gmail.com"),
        ("email_canonical", "ann.other+news@gmail.com", "annother@gmail.com"),
        ("email_canonical", "ann.other+news@googlemail.com", "annother@gmail.com"),
        ("email_canonical", "ann.other+news@example.org", "ann.other+news@example.org"),
        ("phone", "+15555550100", "+15555550100"),
        ("phone_digits", "+15555550100", "15555550100"),
        ("loyalty", "L100", "L100"),
    ],
)
def test_a_match_key_is_the_digest_of_the_spelling_that_platforms_ask_for(
    key_type: str, value: str, spelled: str
) -> None:
    assert match_key(key_type, value) == hashlib.sha256(spelled.encode()).hexdigest()


def test_a_vector_written_down() -> None:
    expected = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    assert match_key("email", "test@example.com") == expected


def test_only_asked_for_identifiers_travel() -> None:
    held = [("email", "ann@example.org"), ("phone", "+15555550100"), ("cookie", "c1")]
    assert {kind for kind, _ in match_keys(("email", "email_canonical"), held)} == {"email", "email_canonical"}
