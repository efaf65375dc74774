"""`identity.yaml` is checked where it is read; the one that `kindred init` writes passes."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from identity.clustering.limits import Limit
from identity.config import IdentityConfig, load_identity, overridden, rules, timed
from identity.matching.comparisons import COMPARISONS
from infra.errors import ConfigurationError
from infra.identifiers import IdentifierType, is_blocked, is_evidence
from infra.workspace import Workspace

TEMPLATE = Path(__file__).parents[3] / "api" / "templates" / "workspace" / "identity.yaml"


def template() -> IdentityConfig:
    return IdentityConfig.model_validate(YAML(typ="safe").load(TEMPLATE.read_text(encoding="utf-8")))


def test_the_template_is_valid_and_states_the_defaults() -> None:
    read = template()
    assert read.comparisons == tuple(COMPARISONS)
    default = IdentityConfig(identifiers=read.identifiers)
    assert read == default


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "test@test.com"),
        ("email", "noreply@example.com"),
        ("phone", "+10000000000"),
        ("phone", "+15555555555"),
        ("phone", "+11234567890"),
        ("customer", "0000"),
        ("loyalty", "NULL"),
        ("cookie", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_placeholders_stand_for_nobody(kind: str, value: str) -> None:
    assert is_blocked(template().identifiers[kind], value)


@pytest.mark.parametrize(
    ("kind", "value"), [("email", "info@example.com"), ("email", "ann@mailinator.com"), ("phone", "+18005550199")]
)
def test_what_many_share_describes_and_identifies_nobody(kind: str, value: str) -> None:
    declared = template().identifiers[kind]
    assert not is_blocked(declared, value)
    assert not is_evidence(declared, value)
    assert is_evidence(declared.model_copy(update={"attribute_only": ()}), value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "testa.rossa@example.com"),
        ("email", "ann@example.org"),
        ("phone", "+16145550101"),
        ("customer", "10023"),
    ],
)
def test_real_values_pass(kind: str, value: str) -> None:
    assert is_evidence(template().identifiers[kind], value)


def workspace(root: Path, identity: str) -> Workspace:
    (root / "kindred.yaml").write_text("name: test\n", encoding="utf-8")
    (root / "identity.yaml").write_text(identity, encoding="utf-8")
    return Workspace.open(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("comparisons: [given_name, shoe_size]", "unknown comparison shoe_size"),
        ("blocking: [[family_name, star_sign]]", "unknown blocking key star_sign"),
        ("training: [[given_form]]", "given_form cannot train the model"),
        ("thresholds: {merge: high}", "valid number"),
        ("treshold: {}", "unknown key"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    place = workspace(tmp_path, f"identifiers: {{email: {{normaliser: email}}}}\n{line}\n")
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_identity(place)
    assert caught.value.line == 2


def limited(said: object) -> IdentityConfig:
    return IdentityConfig.model_validate({"identifiers": {"phone": {"normaliser": "phone", "limit": said}}})


def test_a_limit_is_a_number_or_a_number_within_days() -> None:
    assert limited(5) == limited({"values": 5})
    assert rules(limited(5)).limits == {"phone": Limit(5)}
    assert rules(limited({"values": 5, "days": 7})).limits == {"phone": Limit(5, 7)}
    assert (timed(limited(5)), timed(limited({"values": 5, "days": 7}))) == ((), ("phone",))
    assert overridden(limited({"values": 5, "days": 7}), {"identifiers.phone.limit": "3"}) == limited(3)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("0", "identifiers.phone.limit.values"),
        ("{values: 5, days: 0}", "identifiers.phone.limit.days"),
        ("{values: 5, weeks: 1}", "identifiers.phone.limit.weeks"),
        ("{days: 7}", "identifiers.phone.limit.values"),
        ("[5, 7]", "write a whole number, or {values: 5, days: 7}"),
        ("true", "write a whole number, or {values: 5, days: 7}"),
        ("many", "identifiers.phone.limit.values"),
    ],
)
def test_a_wrong_limit_says_where_and_what(said: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        overridden(limited(5), {"identifiers.phone.limit": said})
    assert fault in str(error.value)


@pytest.mark.parametrize("name", ["", "a:b", "o'x", "7th", "two words", "naïve"])
def test_the_name_of_a_type_is_a_word(name: str) -> None:
    """It stands in keys before a colon, and in SQL."""
    with pytest.raises(ValidationError, match="the name of an identifier type is letters, digits, - and _"):
        IdentityConfig(identifiers={name: IdentifierType(normaliser="code")})
