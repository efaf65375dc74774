"""A wrong file is named with its line and what would be right."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from activation.config import load_activation, matchable
from activation.model import All, Bound, Comparison, Happened, Not, Trait
from infra.errors import ConfigurationError
from infra.identifiers import IdentifierType
from infra.workspace import Workspace

Written = Callable[..., Workspace]
AUDIENCE = "audience: a\npurpose: analytics\nwhere:\n  {}\n"
DESTINATION = "destination: d\npath: out/d\npurpose: analytics\naudiences: [{}]\nmatch_keys: [{}]\n"
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
DEMO = Path(__file__).parents[3] / "api" / "demo" / "workspace"


def test_a_condition_is_read(written: Written) -> None:
    text = """
audience: lapsed
purpose: email_marketing
where:
  all:
    - {trait: orders, op: ">=", value: 5}
    - not: {event: purchase, within: 42d, count: ">= 1", where: {channel: [web, app], product.category: WINE}}
"""
    found = load_activation(written(audiences__lapsed=text))
    tests = (Comparison("channel", "in", ("web", "app")), Comparison("product.category", "==", "WINE"))
    assert found.conditions()["lapsed"] == All(
        (
            Trait(Comparison("orders", ">=", 5.0)),
            Not(Happened("purchase", timedelta(days=42), tests, Bound(">=", 1.0))),
        )
    )


@pytest.mark.parametrize(
    ("clause", "says"),
    [
        ("{trait: orders, event: purchase}", "exactly one of all, any, not, trait, event, audience"),
        ("{op: '>='}", "exactly one of"),
        ("{trait: orders, within: 90d}", "within does not belong to a clause of trait"),
        ("{trait: orders, op: '>=', value: many}", ">= wants a number"),
        ("{trait: orders, op: '=>', value: 1}", "not one of the known values"),
        ("{trait: orders, op: in, value: a}", "in wants a list"),
        ("{trait: orders, op: exists, value: 1}", "exists stands alone"),
        ("{trait: orders, op: '=='}", "== needs a value"),
        ("{trait: seen, op: before, value: soon}", "before wants a date"),
        ("{trait: seen, op: within, value: 3 months}", "not a duration"),
        ("{trait: orders, op: contains, value: 3}", "contains wants text"),
        ("{event: purchase, within: 90}", "not a duration"),
        ("{event: purchase, count: 'at least 2'}", "not a bound"),
        ("{event: purchase, where: {colour: red}}", "an event has no field 'colour'"),
        ("{audience: nobody}", "unknown audience 'nobody'; declared: a"),
        ("{audience: a}", "refers to itself"),
        ("{trate: orders}", "unknown key"),
        ("{trait: orders, op: '<=', value: .nan}", "not a number that anything compares with"),
        ("{trait: orders, op: in, value: [1, .inf]}", "not a number that anything compares with"),
        ("{trait: orders, op: '<', value: 1" + "0" * 400 + "}", "not a number that anything compares with"),
    ],
)
def test_a_wrong_condition_says_what_would_be_right(written: Written, clause: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_activation(written(audiences__a=AUDIENCE.format(clause)))
    assert says in str(caught.value)
    assert str(caught.value).startswith(("audiences/a.yaml:3:", "audiences/a.yaml:4:"))


def test_an_unknown_purpose_is_named_with_its_line(written: Written) -> None:
    workspace = written(audiences__a=AUDIENCE.format("{trait: orders, op: exists}"))
    with pytest.raises(ConfigurationError, match=r"audiences/a.yaml:2: purpose: unknown purpose 'analytics'.*service"):
        load_activation(workspace, purposes=["service"])


def test_a_destination_must_know_its_audiences_and_identifiers(written: Written) -> None:
    workspace = written(destinations__d=DESTINATION.format("a", "email"))
    with pytest.raises(ConfigurationError, match=r"destinations/d.yaml:4: audiences: unknown audience 'a'"):
        load_activation(workspace)
    audience = AUDIENCE.format("{trait: orders, op: exists}")
    workspace = written(audiences__a=audience, destinations__d=DESTINATION.format("a", "phone_digits, fax"))
    with pytest.raises(ConfigurationError, match=r"destinations/d.yaml:5: match_keys: unknown identifier type 'fax'"):
        load_activation(workspace, identifiers=["email", "phone"])


def test_a_digest_is_no_match_key(written: Written) -> None:
    types = {"email": IdentifierType(normaliser="email"), "h": IdentifierType(normaliser="sha256", digest_of="email")}
    workspace = written(
        audiences__a=AUDIENCE.format("{trait: orders, op: exists}"), destinations__d=DESTINATION.format("a", "h")
    )
    with pytest.raises(ConfigurationError, match=r"these can be match keys: email$"):
        load_activation(workspace, identifiers=matchable(types))


def test_a_match_key_that_its_purpose_never_sees_is_no_match_key(written: Written) -> None:
    audience = AUDIENCE.format("{trait: orders, op: exists}")
    workspace = written(audiences__a=audience, destinations__d=DESTINATION.format("a", "email"))
    purpose = load_activation(workspace).destinations[0].purpose
    assert load_activation(workspace, masks={purpose: ("birth_date",), "other": ("email",)}).destinations
    with pytest.raises(ConfigurationError, match=r"destinations/d.yaml:5: match_keys: 'email' is masked for "):
        load_activation(workspace, masks={purpose: ("phone", "email")})


@pytest.mark.parametrize("path", ["/etc", "../elsewhere"])
def test_a_destination_stays_inside_the_workspace(written: Written, path: str) -> None:
    text = DESTINATION.format("a", "email").replace("out/d", path)
    with pytest.raises(ConfigurationError, match="relative to the workspace"):
        load_activation(written(destinations__d=text))


def test_two_files_may_not_share_a_name(written: Written) -> None:
    one = AUDIENCE.format("{trait: orders, op: exists}")
    with pytest.raises(ConfigurationError, match=r"declared in audiences/a\.yaml too"):
        load_activation(written(audiences__a=one, audiences__b=one))


def test_a_decision_does_not_see_events(written: Written) -> None:
    text = "decision: d\npurpose: personalization\neligible:\n  - where: {event: purchase}\n"
    with pytest.raises(ConfigurationError, match=r"decisions/d.yaml:4.*declare an audience"):
        load_activation(written(decisions__d=text))


def test_a_decision_refers_to_audiences_of_its_own_purpose(written: Written) -> None:
    text = "decision: d\npurpose: personalization\neligible:\n  - where: {audience: a}\n"
    audience = AUDIENCE.format("{trait: orders, op: exists}")
    with pytest.raises(ConfigurationError, match=r"decisions/d.yaml:3: eligible: audience 'a' is for analytics"):
        load_activation(written(audiences__a=audience, decisions__d=text))


def test_the_shipped_files_are_sound(written: Written, tmp_path: Path) -> None:
    workspace = written()
    for root in (TEMPLATES, DEMO):
        for folder in ("audiences", "destinations", "decisions"):
            for file in sorted((root / folder).glob("*.yaml")):
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / file.name).write_text(file.read_text())
    purposes = ["analytics", "personalization", "email_marketing", "advertising"]
    found = load_activation(workspace, purposes, ["email", "phone", "device", "loyalty"])
    assert {one.audience for one in found.audiences} >= {"regulars", "lapsed", "coupon_lovers"}
    assert len(found.decisions) == 1
    assert found.decisions[0].plan().holdout == 0.1
