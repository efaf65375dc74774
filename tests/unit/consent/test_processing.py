"""The record of processing activities says what is declared, and nothing that is not."""

import pytest

from consent.config import LABELS_FILE, LabelsConfig
from consent.model import Policy
from consent.processing import (
    MEASURES,
    OTHER,
    UNTOLD,
    Controller,
    Feed,
    Outlet,
    load_controller,
    markdown,
    record_of_processing,
)
from infra.errors import ConfigurationError
from infra.workspace import Workspace

FEEDS = (Feed("crm", ("given_name", "email", "birth_date", "shoe_size")), Feed("tills", ("loyalty",)))
OUTLETS = (Outlet("mail", "email_marketing", ("email",)), Outlet("ads", "advertising", ("email",)))


@pytest.fixture
def labels(workspace: Workspace) -> LabelsConfig:
    return workspace.load(LABELS_FILE, LabelsConfig)


def test_every_purpose_is_told_with_its_bases_and_lines(policy: Policy, labels: LabelsConfig) -> None:
    record = record_of_processing(Controller(name="Shop"), policy, labels, FEEDS, OUTLETS)
    assert [one.purpose for one in record.activities] == list(policy.purposes)
    advertising = next(one for one in record.activities if one.purpose == "advertising")
    rows = [row for row in policy.rows if row.purpose == "advertising"]
    assert len(advertising.bases) == len(rows)
    assert all(policy.place(row.line) in basis for row, basis in zip(rows, advertising.bases, strict=True))
    assert record.security == MEASURES


def test_what_is_masked_for_a_purpose_is_told_as_not_used(policy: Policy, labels: LabelsConfig) -> None:
    record = record_of_processing(Controller(name="Shop"), policy, labels, FEEDS, OUTLETS)
    analytics = next(one for one in record.activities if one.purpose == "analytics")
    service = next(one for one in record.activities if one.purpose == "service")
    assert not any("email" in one or "given_name" in one for one in analytics.categories)
    assert any("email" in one for one in analytics.withheld)
    assert any("email" in one for one in service.categories)
    assert f"{OTHER}: loyalty, shoe_size" in service.categories
    assert analytics.sources == ("crm", "tills")


def test_recipients_and_transfers_follow_the_destinations(policy: Policy, labels: LabelsConfig) -> None:
    said = Controller.model_validate(
        {
            "name": "Shop",
            "recipients": {"mail": "Mailer Inc"},
            "transfers": [{"recipient": "ads", "to": "US", "safeguard": "clauses"}],
            "retention": {"advertising": "a year"},
        }
    )
    record = record_of_processing(said, policy, labels, FEEDS, OUTLETS)
    by_name = {one.purpose: one for one in record.activities}
    assert by_name["email_marketing"].recipients == ("Mailer Inc",)
    assert by_name["email_marketing"].transfers == ()
    assert "730 days" in by_name["email_marketing"].retention
    assert by_name["advertising"].transfers == ("ads in US: clauses",)
    assert by_name["advertising"].retention == "a year"
    assert by_name["service"].recipients == ()


def test_the_page_holds_all_of_it(policy: Policy, labels: LabelsConfig) -> None:
    page = markdown(record_of_processing(Controller(name="Shop"), policy, labels, FEEDS, OUTLETS))
    assert page.startswith("# Record of processing activities: Shop\n")
    assert f"Contact: {UNTOLD}" in page
    assert all(f"## {purpose}\n" in page for purpose in policy.purposes)
    assert "Recipients: nobody outside" in page


def test_the_controller_speaks_in_a_file_or_not_at_all(workspace: Workspace) -> None:
    assert load_controller(workspace) == Controller(name="shop")
    (workspace.root / "consent" / "controller.yaml").write_text("name: A\naddres: B\n")
    with pytest.raises(ConfigurationError, match=r"controller\.yaml:2"):
        load_controller(workspace)
