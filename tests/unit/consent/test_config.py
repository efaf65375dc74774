from pathlib import Path

import pytest

from consent.config import LABELS_FILE, POLICY_FILE, known_purposes, load_policy
from consent.model import Policy
from infra.errors import ConfigurationError
from infra.ids import Purpose
from infra.workspace import Workspace


def changed(workspace: Workspace, file: str, old: str, new: str) -> None:
    path: Path = workspace.root / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_policy_quotes_its_lines(policy: Policy, workspace: Workspace) -> None:
    lines = (workspace.root / POLICY_FILE).read_text(encoding="utf-8").splitlines()
    for row in policy.rows:
        assert f"purpose: {row.purpose}," in lines[row.line - 1]
    for name, terms in policy.purposes.items():
        assert lines[terms.line - 1].strip() == f"{name}:"


def test_the_shipped_purposes(policy: Policy) -> None:
    assert known_purposes(policy) == (
        "identity_resolution", "profiling", "service", "analytics", "personalization", "email_marketing",
        "advertising", "all",
    )  # fmt: skip
    assert policy.purposes[Purpose("personalization")].fideslang == "personalize.content.profiling"
    assert policy.masks[Purpose("analytics")] == (
        "birth_date", "email", "family_name", "full_name", "given_name", "phone", "street",
    )  # fmt: skip
    assert policy.masks[Purpose("service")] == ()


def test_a_policy_that_changes_has_another_version(workspace: Workspace, policy: Policy) -> None:
    assert load_policy(workspace).version == policy.version
    changed(workspace, POLICY_FILE, "expires_after_days: 390", "expires_after_days: 391")
    assert load_policy(workspace).version != policy.version


def test_a_list_of_jurisdictions_is_a_row_for_each(workspace: Workspace) -> None:
    changed(workspace, POLICY_FILE, "jurisdiction: US,", "jurisdiction: [US, CA],")
    rows = [r for r in load_policy(workspace).rows if r.purpose == "advertising"]
    assert [r.jurisdiction for r in rows] == ["*", "US", "CA"]
    assert rows[1].line == rows[2].line


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (POLICY_FILE, "purpose: service,", "purpose: servce,",
         r"policy\.yaml:50: matrix\.2\.purpose: unknown purpose `servce`; known purposes: identity_resolution, prof"),
        (POLICY_FILE, "  service:", "  all:", r"policy\.yaml:\d+: purposes: `all` is the word for every purpose"),
        (POLICY_FILE, "jurisdiction: US,", 'jurisdiction: "*",', r"policy\.yaml:55: .*line 54 already rules"),
        (POLICY_FILE, "basis: contract", "basis: habit", r"policy\.yaml:50: .*use 'consent', 'opt_out'"),
        (POLICY_FILE, "min_link: verified", "min_link: exact", r"policy\.yaml:\d+: purposes\.service\.min_link"),
        (POLICY_FILE, "jurisdiction: US,", "jurisdiction: usa,", r"policy\.yaml:55: matrix\.7\.jurisdiction"),
        (POLICY_FILE, "\nmatrix:", "\nmatrix: [", r"policy\.yaml:\d+"),
        (LABELS_FILE, "masked_for: [analytics, advertising]", "masked_for: [analytcs]",
         r"labels\.yaml:\d+: labels\.name\.masked_for: unknown purpose `analytcs`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    workspace: Workspace, file: str, old: str, new: str, message: str
) -> None:
    changed(workspace, file, old, new)
    with pytest.raises(ConfigurationError, match=message):
        load_policy(workspace)
