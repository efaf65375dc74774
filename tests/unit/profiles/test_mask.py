from profiles.mask import initials, masked_identifier


def test_enough_to_recognise_too_little_to_use() -> None:
    assert masked_identifier("email", "ann.archer@example.org") == "a…@example.org"
    assert masked_identifier("phone", "+15555550123") == "…23"
    assert masked_identifier("loyalty", "1234") == "loyalty …"


def test_initials_from_whatever_name_is_known() -> None:
    assert initials({"given_name": "ann", "family_name": "archer"}) == "A. A."
    assert initials({"full_name": "Bea van Dyke"}) == "B. D."
    assert initials({"full_name": "Cleo"}) == "C."
    assert initials({}) == ""
