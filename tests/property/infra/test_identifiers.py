"""One spelling for each value, and tokens that say nothing."""

import base64
import hashlib
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from infra import emails, phones, placeholders
from infra.identifiers import IdentifierType, digests, is_blocked, normalise, token, usable

NORMALISERS = st.sampled_from(["email", "phone", "code", "uuid", "text", "sha256"])
REGIONS = st.sampled_from(["US", "GB", "DE", "FR", "NL", "JP", "IT", "AU", "BR", "CN", "XX"])
LOCAL = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-_", min_size=1, max_size=12)
ADDRESS = st.builds(
    "{}@{}".format,
    st.text("aZäßİ\u0131\u017fΣς\u200bﬁ٣\uff20.+-'", min_size=1, max_size=8),
    st.text("aZäßİ\u0131Σ。\uff0e.-xn0\uff20ﬁ\u00ad", min_size=1, max_size=8).map(lambda name: f"{name}.example"),
)
NUMBER = st.text("0123456789+-() /;x#*٣", min_size=1, max_size=18)
RAW = st.text(max_size=60) | ADDRESS | NUMBER


@given(NORMALISERS, RAW, REGIONS, REGIONS)
@example("phone", "000000", "DE", "US")
@example("phone", "+0 6145550101", "IT", "US")
@example("email", "Ann <ANN@Bücher.example>", "US", "US")
@example("sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", "US", "US")  # pragma: allowlist secret
def test_a_spelling_is_final_wherever_it_is_read_again(normaliser: str, raw: str, region: str, other: str) -> None:
    value = normalise(normaliser, raw, region)
    assert value is None or normalise(normaliser, value, other) == value


@given(LOCAL, st.sampled_from([*(d for one in emails.PROVIDERS for d in one.domains), "example.org"]))
def test_a_mailbox_is_final_and_an_address_of_itself(local: str, domain: str) -> None:
    strict = normalise("email", f"{local}@{domain}")
    if strict is None:
        return
    mailbox = emails.canonical(strict)
    assert emails.canonical(mailbox) == mailbox
    assert mailbox.count("@") == 1
    if domain == "gmail.com" and mailbox[0] != "+":
        assert emails.canonical(strict.replace("@", "+tag@")) == mailbox


@given(RAW)
def test_an_address_is_in_ascii_behind_the_at_and_short_enough(raw: str) -> None:
    value = emails.strict(raw)
    if value is not None:
        local, _, domain = value.rpartition("@")
        assert (domain.isascii(), domain.islower(), "." in domain) == (True, True, True)
        assert max(len(local.encode()) - 64, len(value.encode()) - 254) <= 0
        assert emails.flags(value) <= {"role", "disposable"}


@given(st.text(max_size=20) | NUMBER)
def test_every_text_has_a_sort_of_line(text: str) -> None:
    assert phones.line(text) in {"mobile", "landline", "service", "unknown"}
    assert isinstance(phones.is_service(text), bool)


PADDING = st.text(" \t\n\u00a0", max_size=3)
NOBODY = st.sampled_from(
    [*sorted(placeholders.WORDS), "", "0000", "----", "00000000-0000-0000-0000-000000000000", "test@test.com",
     "noreply@example.org", "Do-Not-Reply@example.org", "+15555555555", "+11234567890", "000-000-0000", "xxx",
     hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"test@test.com").hexdigest()]
)  # fmt: skip


@given(NORMALISERS, NOBODY | st.text(max_size=12), PADDING, PADDING)
def test_what_is_blocked_stays_blocked_under_case_and_padding(kind: str, value: str, left: str, right: str) -> None:
    declared = IdentifierType(normaliser=kind, blocked=("Nobody Here", "/x.*y/"))
    for written in (value.upper(), value.lower(), f"{left}{value}{right}", f"{left}{value.swapcase()}"):
        assert is_blocked(declared, written) or not is_blocked(declared, value)


@given(NOBODY)
def test_a_placeholder_is_blocked_for_every_type_unless_that_is_switched_off(value: str) -> None:
    kind = (
        "email"
        if "@" in value
        else "phone"
        if value.startswith("+") or value[3:4] == "-"
        else "sha256"
        if len(value) == 64
        else "text"
    )
    assert is_blocked(IdentifierType(normaliser=kind), value)
    assert not is_blocked(IdentifierType(normaliser=kind, placeholders=False), value)


@given(st.sampled_from(["ann.other+x@gmail.com", "ann@example.org"]), st.sampled_from([str.strip, str.upper]))
def test_digests_meet_whoever_hashed_either_form(address: str, typed: Callable[[str], str]) -> None:
    kinds = {
        "email": IdentifierType(normaliser="email"),
        "email_sha256": IdentifierType(normaliser="sha256", digest_of="email"),
    }
    ours = digests(kinds, "email", normalise("email", typed(address)) or "")
    for form in (address, emails.canonical(address)):
        raw = hashlib.sha256(form.encode())
        for given_as in (raw.hexdigest(), raw.hexdigest().upper(), base64.b64encode(raw.digest()).decode()):
            assert ("email_sha256", normalise("sha256", given_as)) in ours
    assert digests(kinds, "phone", "+16145550101") == ()


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


def test_a_card_number_is_letters_and_digits_however_it_is_printed() -> None:
    assert normalise("code", " 4012-888 81888 ") == normalise("code", "4012.88881888") == "401288881888"
    assert normalise("code", "\uff14\uff10ab") == normalise("code", "40AB") == "40AB"


def test_stray_bytes_are_in_no_value() -> None:
    found = {n: normalise(n, "a\udcff") for n in ("email", "phone", "code", "uuid", "text", "sha256")}
    assert {n: value for n, value in found.items() if value is not None} == {"code": "A"}  # letters and digits alone
