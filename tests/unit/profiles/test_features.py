"""Feature sets: what may be declared, and what row a person gets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.model import Policy, PurposeTerms
from infra.errors import ConfigurationError
from infra.ids import Purpose
from infra.workspace import Workspace
from profiles.config import ProfileSettings, Trait
from profiles.features.declared import Feature, FeatureSet, Known, is_a, load_features
from profiles.features.vector import Row, nobody, row

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TRAITS = (
    Trait(name="orders", compute="order_count"),
    Trait(name="spend", compute="order_total"),
    Trait(name="rfm", compute="rfm"),
    Trait(name="last_seen", compute="last_seen"),
    Trait(name="favourites", compute="favourites", of="category"),
)
KNOWN = Known(
    ProfileSettings(traits=TRAITS),
    Policy(
        version="1", rows=(), purposes={Purpose("service"): PurposeTerms(name=Purpose("service"), line=1)},
        masks={Purpose("service"): ("birth_date", "postcode")}, shortened={Purpose("service"): {"postcode": 2}},
    ),
    frozenset({"city", "postcode", "birth_date"}),
    {"regulars": "service", "coupons": "advertising"},
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "kindred.yaml").write_text("name: test\n")
    (tmp_path / "features").mkdir()
    return Workspace.open(tmp_path)


def declare(workspace: Workspace, *features: str, purpose: str = "service", name: str = "basket") -> None:
    lines = "".join(f"  - {one}\n" for one in features)
    text = f"feature_set: {name}\npurpose: {purpose}\nfeatures:\n{lines}"
    (workspace.root / "features" / f"{name}.yaml").write_text(text)


def view(**changed: Any) -> dict[str, Any]:
    return {
        "as_of": "2026-11-20T00:00:00Z", "attributes": {"city": "Dayton"}, "traits": {"orders": 3, "spend": 12.5},
        "audiences": ["regulars"], "withheld": [],
        "provenance": {"city": {"observed_at": "2026-01-01T00:00:00Z"}}, **changed,
    }  # fmt: skip


def sets(*features: Feature) -> FeatureSet:
    return FeatureSet(feature_set="basket", purpose="service", features=features)


ORDERS = Feature(name="orders", field="traits.orders", type="whole", default=0)
CITY = Feature(name="city", field="attributes.city", type="text")
REGULAR = Feature(name="regular", field="audiences.regulars", type="flag")


def test_a_workspace_without_feature_sets_has_none(workspace: Workspace) -> None:
    assert load_features(workspace, KNOWN) == {}


def test_what_exists_may_be_declared(workspace: Workspace) -> None:
    declare(
        workspace,
        "{name: orders, field: traits.orders, type: whole, default: 0}",
        "{name: spent, field: traits.spend, type: money, default: 0}",
        "{name: liked, field: traits.favourites, type: list, default: []}",
        "{name: seen, field: traits.last_seen, type: time, max_age_hours: 48}",
        "{name: district, field: attributes.postcode, type: text}",
        "{name: regular, field: audiences.regulars, type: flag}",
    )
    found = load_features(workspace, KNOWN)["basket"]
    assert [one.name for one in found.features] == ["orders", "spent", "liked", "seen", "district", "regular"]
    assert found.version == 1


@pytest.mark.parametrize(
    ("feature", "wrong"),
    [
        ("{name: a, field: traits.ordres, type: whole}", "unknown trait 'ordres'; declared: favourites"),
        ("{name: a, field: traits.orders, type: text}", "orders is of the type whole; write type: whole"),
        ("{name: a, field: traits.rfm, type: text}", "ranks people among each other"),
        ("{name: a, field: attributes.shoe, type: text}", "no source tells 'shoe'; declared: birth_date, city"),
        ("{name: a, field: attributes.birth_date, type: text}", "masked for service"),
        ("{name: a, field: audiences.vips, type: flag}", "unknown audience"),
        ("{name: a, field: audiences.coupons, type: flag}", "is for advertising"),
        ("{name: a, field: attributes.city, type: whole}", "attributes are of the type text"),
        ("{name: a, field: audiences.regulars, type: whole}", "audiences are of the type flag"),
        ("{name: a, field: traits.orders, type: whole, default: none}", "the default is no whole"),
        ("{name: a, field: traits.orders, type: whole, default: true}", "the default is no whole"),
        ("{name: a, field: traits.spend, type: money, default: .inf}", "the default is no money"),
        ("{name: a, field: traits.last_seen, type: time, default: soon}", "the default is no moment"),
        ("{name: a, field: traits.last_seen, type: time, default: '2026-11-22T09:30:00'}", "no time zone"),
        ("{name: a, field: consent.reason, type: text}", "match pattern"),
        ("{name: a, field: traits.orders, type: whole, max_age_hours: 0}", "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(workspace: Workspace, feature: str, wrong: str) -> None:
    declare(workspace, "{name: orders, field: traits.orders, type: whole}", feature)
    with pytest.raises(ConfigurationError, match=wrong) as caught:
        load_features(workspace, KNOWN)
    assert (caught.value.file, caught.value.line) == ("features/basket.yaml", 5)


def test_names_are_there_once(workspace: Workspace) -> None:
    declare(workspace, *["{name: orders, field: traits.orders, type: whole}"] * 2)
    with pytest.raises(ConfigurationError, match="two features are called orders"):
        load_features(workspace)
    declare(workspace, "{name: orders, field: traits.orders, type: whole}")
    text = (workspace.root / "features" / "basket.yaml").read_text()
    (workspace.root / "features" / "copy.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="declares this name too"):
        load_features(workspace)


def test_a_purpose_is_one_of_the_policy(workspace: Workspace) -> None:
    declare(workspace, "{name: orders, field: traits.orders, type: whole}", purpose="sercive")
    with pytest.raises(ConfigurationError, match="unknown purpose 'sercive'; the policy declares: service") as caught:
        load_features(workspace, KNOWN)
    assert caught.value.line == 2


def test_values_come_in_the_declared_order() -> None:
    assert row(sets(CITY, REGULAR, ORDERS), view(), NOW, NOW) == Row(("Dayton", True, 3), "ppp")


def test_what_is_not_there_is_the_default() -> None:
    nowhere = view(attributes={}, traits={}, audiences=[])
    assert row(sets(CITY, REGULAR, ORDERS), nowhere, NOW, NOW) == Row((None, False, 0), "dpd")
    assert nobody(sets(CITY, REGULAR, ORDERS)) == Row((None, False, 0), "ddd")


def test_what_is_withheld_is_said_to_be_whether_or_not_it_exists() -> None:
    hidden = view(attributes={}, withheld=[{"field": "city", "because": "policy"}])
    assert row(sets(CITY, ORDERS), hidden, NOW, NOW) == Row((None, 3), "wp")
    closed = view(
        traits={}, audiences=[], withheld=[{"field": f, "because": "consent"} for f in ("traits", "audiences")]
    )
    assert row(sets(REGULAR, ORDERS, CITY), closed, NOW, NOW) == Row((False, 0, "Dayton"), "wwp")


def test_a_field_that_is_cut_short_has_a_value() -> None:
    short = view(attributes={"city": "Da"}, withheld=[{"field": "city", "because": "policy"}])
    assert row(sets(CITY), short, NOW, NOW) == Row(("Da",), "p")


def test_a_value_that_is_too_old_counts_as_none() -> None:
    fresh = ORDERS.model_copy(update={"max_age_hours": 24})
    old = CITY.model_copy(update={"max_age_hours": 24 * 365})
    assert row(sets(fresh, old), view(), NOW, NOW - timedelta(hours=24)) == Row((3, "Dayton"), "pp")
    assert row(sets(fresh, old), view(), NOW, NOW - timedelta(hours=25)) == Row((0, "Dayton"), "sp")
    # Events that came online make the person's own view newer than the build.
    at_once = view(as_of="2026-11-22T09:29:00Z")
    assert row(sets(fresh), at_once, NOW, NOW - timedelta(days=9)) == Row((3,), "p")
    assert row(sets(fresh), view(), NOW, None) == Row((0,), "s")
    assert row(sets(old), view(), NOW + timedelta(days=60), NOW) == Row((None,), "s")
    assert row(sets(old), view(provenance={}), NOW, NOW) == Row((None,), "s")


def test_a_value_of_another_type_is_none_of_it() -> None:
    assert row(sets(ORDERS), view(traits={"orders": "3"}), NOW, NOW) == Row((0,), "d")


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text(), max_size=2))


@given(kind=st.sampled_from(["whole", "money", "text", "time", "list", "flag"]), value=VALUES)
def test_every_value_in_a_row_is_of_its_type(kind: Any, value: Any) -> None:
    field = {"flag": "audiences.regulars", "text": "traits.orders"}.get(kind, "traits.orders")
    feature = Feature(name="one", field=field, type=kind)
    got = row(sets(feature), view(traits={"orders": value}), NOW, NOW)
    assert got.values[0] is None or is_a(kind, got.values[0])
    assert got.status in set("pd")
    assert (got.status == "p") == (kind == "flag" or (value is not None and is_a(kind, value)))
