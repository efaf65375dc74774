import hashlib
import re
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
         r"policy\.yaml:{service}: matrix\.2\.purpose: unknown purpose `servce`; known purposes: identity_res"),
        (POLICY_FILE, "  service:", "  all:", r"policy\.yaml:\d+: purposes: `all` is the word for every purpose"),
        (POLICY_FILE, "jurisdiction: US,", 'jurisdiction: "*",', r"policy\.yaml:{us}: .*line {ads} already rules"),
        (POLICY_FILE, "basis: contract", "basis: habit", r"policy\.yaml:{service}: .*use 'consent', 'opt_out'"),
        (POLICY_FILE, "min_link: verified", "min_link: exact", r"policy\.yaml:\d+: purposes\.service\.min_link"),
        (POLICY_FILE, "jurisdiction: US,", "jurisdiction: usa,", r"policy\.yaml:{us}: matrix\.7\.jurisdiction"),
        (POLICY_FILE, "\nmatrix:", "\nmatrix: [", r"policy\.yaml:\d+"),
        (LABELS_FILE, "masked_for: [analytics, advertising]", "masked_for: [analytcs]",
         r"labels\.yaml:\d+: labels\.name\.masked_for: unknown purpose `analytcs`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    workspace: Workspace, file: str, old: str, new: str, message: str
) -> None:
    lines = (workspace.root / POLICY_FILE).read_text(encoding="utf-8").splitlines()
    rows = {
        "service": "{purpose: service,",
        "ads": 'advertising, jurisdiction: "*"',
        "us": "advertising, jurisdiction: US",
    }
    for name, row in rows.items():
        place = next(number for number, line in enumerate(lines, 1) if row in line)
        message = message.replace("{" + name + "}", str(place))
    changed(workspace, file, old, new)
    with pytest.raises(ConfigurationError, match=message):
        load_policy(workspace)


def declare(workspace: Workspace, notices: str, **texts: str) -> None:
    folder = workspace.root / "consent" / "notices"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    path = workspace.root / POLICY_FILE
    path.write_text(f"{path.read_text(encoding='utf-8')}\nnotices:\n{notices}", encoding="utf-8")
    changed(workspace, POLICY_FILE, "    channel: email\n", "    channel: email\n    notices: [newsletter]\n")


NEWSLETTER = """  newsletter:
    - {version: 1, texts: {en: consent/notices/one.md}}
    - {version: 2, texts: {en: consent/notices/two.md}}
    - {version: 2.1, texts: {en: consent/notices/three.md, de: consent/notices/vier.md}, material: false}
"""
TEXTS = {"one": "We write monthly.", "two": "We write weekly.", "three": "We write each week.", "vier": "Jede Woche."}


def test_a_yes_must_have_seen_what_the_newest_notice_says(workspace: Workspace) -> None:
    before = load_policy(workspace).version
    declare(workspace, NEWSLETTER, **TEXTS)
    policy = load_policy(workspace)
    assert policy.version != before
    assert policy.purposes[Purpose("email_marketing")].notices == ("newsletter@2", "newsletter@2.1")
    digests = {notice.name: dict(notice.sha256) for notice in policy.notices}
    assert digests["newsletter@2"] == {"en": hashlib.sha256(b"We write weekly.").hexdigest()}
    assert set(digests["newsletter@2.1"]) == {"en", "de"}
    (workspace.root / "consent/notices/three.md").write_text("We write every week.", encoding="utf-8")
    assert load_policy(workspace).version != policy.version, "a text belongs to the policy"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("two.md", "gone.md", r"notices\.newsletter: there is no file consent/notices/gone\.md"),
        ("consent/notices/two.md", "../../secret.md", r"notices\.newsletter: \.\./\.\./secret\.md lies outside"),
        ("2, texts: {en: consent/notices/two.md}}\n    -", "1, texts: {en: consent/notices/two.md}}\n    -",
         r"version 1 is declared twice"),
        ("[newsletter]", "[newsletters]", r"email_marketing\.notices: unknown notice `newsletters`; .*declared: news"),
        ("[newsletter]", "[newsletter@9]", r"has no version `9`; known versions: 1, 2, 2\.1"),
        ("{en: consent/notices/one.md}}", "{en: consent/notices/one.md}, sha256: {en: " + "a" * 64 + "}}",
         r"the text in en of version 1 is not the one that was fixed; give the new text a new version, or fix"),
        ("{en: consent/notices/one.md}}", "{en: consent/notices/one.md}, sha256: {de: " + "a" * 64 + "}}",
         r"sha256 names de, texts does not"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_notice_is_named(workspace: Workspace, old: str, new: str, message: str) -> None:
    declare(workspace, NEWSLETTER, **TEXTS)
    changed(workspace, POLICY_FILE, old, new)
    with pytest.raises(ConfigurationError, match=message):
        load_policy(workspace)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("marketing.communications.emails", "the nearest is `marketing.communications.email`"),
        ("email", "the nearest is `essential.service.notifications.email`"),
        ("zzz", "a key begins with one of: analytics, collect"),
    ],
)
def test_an_unknown_key_of_fideslang_is_told_with_the_nearest(workspace: Workspace, wrong: str, told: str) -> None:
    changed(workspace, POLICY_FILE, "fideslang: marketing.communications.email\n", f"fideslang: {wrong}\n")
    with pytest.raises(ConfigurationError, match=re.escape(told)) as caught:
        load_policy(workspace)
    assert caught.value.where == "purposes.email_marketing.fideslang"


def test_a_mask_drops_or_leaves_the_beginning_and_the_stricter_of_two_counts(workspace: Workspace) -> None:
    birth = "masked_for: [analytics, personalization, email_marketing, advertising]"
    changed(workspace, LABELS_FILE, birth, "masked_for: {analytics: {truncate: 4}, advertising: drop}")
    other = "\n  again:\n    fields: [birth_date]\n    masked_for: {analytics: {truncate: 7}, service: {truncate: 4}}\n"
    path = workspace.root / LABELS_FILE
    path.write_text(path.read_text(encoding="utf-8").rstrip() + other, encoding="utf-8")
    policy = load_policy(workspace)
    assert policy.shortened[Purpose("analytics")] == {"birth_date": 4}
    assert policy.shortened[Purpose("service")] == {"birth_date": 4}
    assert policy.shortened[Purpose("advertising")] == {}
    assert "birth_date" in policy.masks[Purpose("analytics")], "what is shortened is named as withheld"
    assert "birth_date" not in policy.masks[Purpose("personalization")]
    changed(workspace, LABELS_FILE, "truncate: 7", "truncate: 0")
    with pytest.raises(ConfigurationError, match=r"labels\.again\.masked_for"):
        load_policy(workspace)
