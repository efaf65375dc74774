from dataclasses import replace

from consent.model import Policy, PurposeTerms
from infra.identifiers import IdentifierType
from infra.ids import Purpose
from profiles.rulebook import Rulebook

TERMS = {
    name: PurposeTerms(name=Purpose(name), line=1, min_link=link, level=level)  # type: ignore[arg-type]
    for name, link, level in (
        ("personalization", "probable", "person"),
        ("service", "verified", "person"),
        ("email_marketing", "probable", "contact"),
    )
}
POLICY = Policy(
    version="1", purposes={t.name: t for t in TERMS.values()}, rows=(), masks={Purpose("service"): ("birth_date",)}
)
TYPES = {
    "account": IdentifierType(normaliser="code", strength="decisive"),
    "email": IdentifierType(normaliser="email", strength="strong"),
    "phone": IdentifierType(normaliser="phone", strength="weak"),
    "cookie": IdentifierType(normaliser="text", strength="strong", anonymous=True),
}
RULES = Rulebook(POLICY, TYPES)


def test_what_rests_on_a_grant_is_read_over_certain_links_only() -> None:
    readable = RULES.readable()
    assert readable["personalization", "consent"] == ("own", "verified")
    assert readable["personalization", "legitimate_interest"] == ("own", "verified", "probable")
    assert readable["service", "contract"] == ("own", "verified")


def test_a_contact_that_speaks_for_itself_needs_no_tie() -> None:
    assert RULES.readable()["email_marketing", "consent"] == ("own", "verified", "probable")
    assert RULES.purposes("contact") == ("email_marketing",)
    assert RULES.contact_types() == ("email", "phone")


def test_an_anonymous_id_proves_nothing_and_a_phone_only_with_more() -> None:
    proof = RULES.proof(10)
    assert (proof.alone, proof.corroborated, proof.above_micro) == (("account", "email"), ("phone",), 10_000_000)


def test_masks_are_the_policys() -> None:
    assert RULES.masks() == {"service": ("birth_date",)}


def test_what_is_masked_is_masked_as_a_digest_too() -> None:
    policy = replace(POLICY, masks={Purpose("service"): ("email",), Purpose("personalization"): ("birth_date",)})
    types = TYPES | {"email_sha256": IdentifierType(normaliser="sha256", digest_of="email")}
    assert Rulebook(policy, types).masks() == {"service": ("email", "email_sha256"), "personalization": ("birth_date",)}
