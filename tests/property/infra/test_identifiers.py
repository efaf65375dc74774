"""One spelling for each value, and tokens that say nothing."""

from hypothesis import given
from hypothesis import strategies as st

from infra.identifiers import IdentifierType, email_canonical, is_blocked, normalise, token, usable

NORMALISERS = st.sampled_from(["email", "phone", "code", "uuid", "text", "sha256"])
LOCAL = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-", min_size=1, max_size=12)


@given(NORMALISERS, st.text(max_size=60))
def test_a_spelling_is_final(normaliser: str, raw: str) -> None:
    value = normalise(normaliser, raw)
    assert value is None or normalise(normaliser, value) == value


@given(LOCAL, st.sampled_from(["gmail.com", "googlemail.com", "example.org", "outlook.com"]))
def test_a_mailbox_is_final_and_an_address_of_itself(local: str, domain: str) -> None:
    strict = normalise("email", f"{local}@{domain}")
    if strict is None:
        return
    assert email_canonical(email_canonical(strict)) == email_canonical(strict)
    assert email_canonical(strict).count("@") == 1


@given(st.text(min_size=1), st.text(min_size=1))
def test_tokens_differ_where_values_differ(left: str, right: str) -> None:
    key = b"k" * 32
    assert (token(key, "email", left) == token(key, "email", right)) == (left == right)
    assert left not in token(key, "email", left)[2:] or len(left) < 4
    assert token(key, "email", left) != token(key, "phone", left)


def test_people_write_one_phone_in_many_ways() -> None:
    written = ["(614) 555-0123", "614.555.0123", "+1 614 555 0123", "1-614-555-0123", " 6145550123 "]
    assert {normalise("phone", text) for text in written} == {"+16145550123"}
    assert normalise("phone", "06 555 0123 99", "FR") == normalise("phone", "+33 6 55 50 12 39 9", "FR")


def test_what_is_no_address_is_none() -> None:
    for text in ["", "ann", "ann@", "@example.org", "a b@example.org", "a..b@example.org", "ann@example", "x@y@"]:
        assert normalise("email", text) is None, text
    assert normalise("email", " Ann.O'Neil+x@EXAMPLE.org ") == "ann.o'neil+x@example.org"
    assert normalise("email", "ann@bücher.example") == "ann@xn--bcher-kva.example"
    assert normalise("phone", "12") is None


def test_placeholders_stand_for_nobody() -> None:
    kind = IdentifierType(normaliser="phone", blocked=("000-000-0000", r"/\+?[01]?0+/"))
    assert is_blocked(kind, "000-000-0000")
    kinds = {"phone": kind}
    assert usable(kinds, "phone", "0000000000") is None
    assert usable(kinds, "phone", "614-555-0123") == "+16145550123"


def test_stray_bytes_are_in_no_value() -> None:
    found = {n: normalise(n, "a\udcff") for n in ("email", "phone", "code", "uuid", "text", "sha256")}
    assert {n: value for n, value in found.items() if value is not None} == {"code": "A"}  # letters and digits alone
