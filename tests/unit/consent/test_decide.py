"""The decision, told as cases: what was said, what is asked, what comes out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consent.decide import decide, denied_at_once
from consent.errors import UnknownPurpose
from consent.model import Decision, Holder, MatrixRow, Policy, Question
from infra.ids import Purpose, Sid

Ask = Callable[..., Decision]


@pytest.fixture
def ask(policy: Policy, said: Any, moment: Any) -> Ask:
    def asked(purpose: str, table: str = "", links: str = "ann=own", at: str = "2026-06", **more: Any) -> Decision:
        holders = tuple(Holder(Sid(s), link) for s, _, link in (pair.partition("=") for pair in links.split()))  # type: ignore[arg-type]
        rules = more.pop("rules", policy)
        common = more.pop("common", {})
        question = Question(
            purpose=Purpose(purpose), as_of=moment(at), holders=holders, entries=said(table, **common), **more
        )
        return decide(question, rules)

    return asked


@pytest.mark.parametrize(
    ("purpose", "allowed", "reason"),
    [
        ("identity_resolution", True, "legitimate_interest"),
        ("profiling", True, "legitimate_interest"),
        ("service", True, "contract"),
        ("analytics", True, "legitimate_interest"),
        ("personalization", False, "no_consent"),
        ("email_marketing", False, "no_consent"),
        ("advertising", False, "no_consent"),
    ],
)
def test_without_a_word_the_shipped_policy_serves_and_resolves_and_nothing_that_needs_a_yes(
    ask: Ask, purpose: str, *, allowed: bool, reason: str
) -> None:
    decision = ask(purpose)
    assert (decision.allowed, decision.reason) == (allowed, reason)


CASES = [
    ("a yes allows", "ann | given | personalization | 2026-01", "personalization", "ann=own", "consent"),
    ("a yes to everything allows", "ann | given | all | 2026-01", "personalization", "ann=own", "consent"),
    (
        "a yes crosses a verified link",
        "bob | given | personalization | 2026-01",
        "personalization",
        "ann=own bob=verified",
        "consent",
    ),
    (
        "no yes crosses a probable link",
        "bob | given | personalization | 2026-01",
        "personalization",
        "ann=own bob=probable",
        "link",
    ),
    (
        "a contact speaks for itself",
        "bob | given | email_marketing | 2026-01",
        "email_marketing",
        "ann=own bob=verified",
        "link",
    ),
    (
        "a no crosses every link",
        "ann | given | personalization | 2026-02; bob | refused | personalization | 2026-01",
        "personalization",
        "ann=own bob=probable",
        "refused",
    ),
    (
        "a later no counts",
        "ann | given | personalization | 2026-01; ann | withdrawn | personalization | 2026-02",
        "personalization",
        "ann=own",
        "withdrawn",
    ),
    (
        "a later yes counts",
        "ann | refused | personalization | 2026-01; ann | given | personalization | 2026-02",
        "personalization",
        "ann=own",
        "consent",
    ),
    (
        "at one moment the no counts",
        "ann | given | personalization | 2026-01; ann | refused | personalization | 2026-01",
        "personalization",
        "ann=own",
        "refused",
    ),
    (
        "a broad withdrawal beats a later narrow yes",
        "ann | withdrawn | all | 2026-01; ann | given | personalization | 2026-02",
        "personalization",
        "ann=own",
        "withdrawn",
    ),
    (
        "a narrow no beats a later broad yes",
        "ann | refused | personalization | 2026-01; ann | given | all | 2026-02",
        "personalization",
        "ann=own",
        "refused",
    ),
    (
        "a no for one channel is a no where the channel is not known",
        "ann | given | personalization | 2026-01; ann | refused | personalization | 2026-02 | channel=push",
        "personalization",
        "ann=own",
        "refused",
    ),
    (
        "a yes for one channel is none where the channel is not known",
        "ann | given | personalization | 2026-01 | channel=push",
        "personalization",
        "ann=own",
        "no_consent",
    ),
    (
        "a no for another channel is not meant",
        "ann | given | email_marketing | 2026-01; ann | refused | email_marketing | 2026-02 | channel=sms",
        "email_marketing",
        "ann=own",
        "consent",
    ),
    (
        "a no for one recipient is a no",
        "ann | refused | analytics | 2026-01 | recipient=vendor",
        "analytics",
        "ann=own",
        "refused",
    ),
    (
        "an objection removes from resolution",
        "ann | objected | identity_resolution | 2026-01",
        "identity_resolution",
        "ann=own",
        "objected",
    ),
    (
        "an objection to direct marketing covers all of it",
        "ann | given | advertising | 2026-02; ann | objected | email_marketing | 2026-01",
        "advertising",
        "ann=own",
        "objected",
    ),
    (
        "an objection to something else does not",
        "ann | given | advertising | 2026-02; ann | objected | profiling | 2026-01",
        "advertising",
        "ann=own",
        "consent",
    ),
    (
        "a contract is performed against a refusal",
        "ann | objected | service | 2026-01",
        "service",
        "ann=own",
        "contract",
    ),
    ("a restriction stops even a contract", "ann | restricted | all | 2026-01", "service", "ann=own", "restricted"),
    (
        "a restriction crosses every link",
        "bob | restricted | all | 2026-01",
        "service",
        "ann=own bob=probable",
        "restricted",
    ),
    (
        "a lifted restriction is gone",
        "ann | restricted | all | 2026-01; ann | unrestricted | all | 2026-02",
        "service",
        "ann=own",
        "contract",
    ),
    (
        "a yes runs out",
        "ann | given | personalization | 2026-01 | expires_at=2026-03",
        "personalization",
        "ann=own",
        "expired",
    ),
    (
        "a yes runs out by the policy",
        "ann | given | personalization | 2024-01",
        "personalization",
        "ann=own",
        "expired",
    ),
    (
        "a yes from later on is none yet",
        "ann | given | personalization | 2026-01 | effective_from=2026-09",
        "personalization",
        "ann=own",
        "expired",
    ),
    (
        "an invalidated yes is none",
        "ann | given | personalization | 2026-01; ann | invalidated | personalization | 2026-02",
        "personalization",
        "ann=own",
        "expired",
    ),
    (
        "a yes after the invalidation counts",
        "ann | invalidated | all | 2026-01; ann | given | personalization | 2026-02",
        "personalization",
        "ann=own",
        "consent",
    ),
    (
        "an expired yes lifts no refusal",
        "ann | refused | personalization | 2026-01; ann | given | personalization | 2026-02 | expires_at=2026-03",
        "personalization",
        "ann=own",
        "refused",
    ),
    (
        "acknowledging is not consenting",
        "ann | acknowledged | personalization | 2026-01",
        "personalization",
        "ann=own",
        "no_consent",
    ),
    (
        "a child is not advertised to",
        "ann | given | advertising | 2026-01 | age_band=13_15",
        "advertising",
        "ann=own",
        "age",
    ),
    (
        "a child's band crosses every link",
        "ann | given | advertising | 2026-01; bob | acknowledged | service | 2026-01 | age_band=u13",
        "advertising",
        "ann=own bob=probable",
        "age",
    ),
    (
        "a guardian speaks for a child",
        "ann | given | advertising | 2026-01 | age_band=13_15 asserted_by=guardian",
        "advertising",
        "ann=own",
        "consent",
    ),
    (
        "children grow",
        "ann | acknowledged | service | 2015-01 | age_band=13_15; ann | given | advertising | 2026-01",
        "advertising",
        "ann=own",
        "consent",
    ),
    (
        "another controller's word is not ours",
        "ann | refused | analytics | 2026-01 | controller=other",
        "analytics",
        "ann=own",
        "legitimate_interest",
    ),
    (
        "somebody else's word is not theirs",
        "eve | refused | analytics | 2026-01",
        "analytics",
        "ann=own",
        "legitimate_interest",
    ),
]


@pytest.mark.parametrize(("case", "table", "purpose", "links", "reason"), CASES, ids=[case[0] for case in CASES])
def test_what_was_said_decides(ask: Ask, case: str, table: str, purpose: str, links: str, reason: str) -> None:
    del case
    assert ask(purpose, table, links).reason == reason


US = ("US-OH",)
SIGNALS = [
    ("silence is no objection", "", "opt_out"),
    ("the signal refuses", "ann | refused | advertising | 2026-01 | mechanism=gpc", "gpc"),
    ("the signal refuses under any name", "ann | objected | analytics | 2026-01 | mechanism=gpc", "gpc"),
    (
        "a banner does not overrule the signal",
        "ann | refused | advertising | 2026-01 | mechanism=gpc; ann | given | advertising | 2026-02 | mechanism=banner",
        "gpc",
    ),
    (
        "a known person may overrule it",
        "ann | refused | advertising | 2026-01 | mechanism=gpc; ann | given | advertising | 2026-02 | mechanism=centre",
        "opt_out",
    ),
]


@pytest.mark.parametrize(("case", "table", "reason"), SIGNALS, ids=[case[0] for case in SIGNALS])
def test_the_browser_signal_in_an_opt_out_regime(ask: Ask, case: str, table: str, reason: str) -> None:
    del case
    assert ask("advertising", table, jurisdictions=US).reason == reason


def test_where_the_jurisdiction_is_not_known_the_strictest_row_decides(ask: Ask, policy: Policy) -> None:
    assert ask("advertising").reason == "no_consent"
    assert ask("advertising", jurisdictions=("US",)).reason == "opt_out"
    assert ask("advertising", jurisdictions=("US-OH", "DE")).reason == "no_consent"
    assert ask("advertising", rules=replace(policy, jurisdiction="US-OH")).reason == "opt_out"


def test_a_jurisdiction_heard_in_the_ledger_only_makes_it_stricter(ask: Ask) -> None:
    german = "ann | acknowledged | advertising | 2026-01 | jurisdiction=DE"
    american = "ann | acknowledged | advertising | 2026-01 | jurisdiction=US"
    assert ask("advertising", german, jurisdictions=US).reason == "no_consent"
    assert ask("advertising", german, "ann=probable", jurisdictions=US).reason == "opt_out"
    assert ask("advertising", american).reason == "no_consent"


def test_a_purpose_without_a_row_is_denied(ask: Ask, policy: Policy) -> None:
    bare = replace(policy, rows=tuple(r for r in policy.rows if r.purpose != "service"))
    decision = ask("service", rules=bare)
    assert (decision.reason, decision.because) == ("no_basis", "policy")
    assert decision.policy_line == policy.place(policy.purposes[Purpose("service")].line)
    american = replace(policy, rows=tuple(r for r in policy.rows if r.jurisdiction == "US"))
    assert ask("advertising", rules=american).reason == "no_basis"
    assert ask("advertising", rules=american, jurisdictions=("DE",)).reason == "no_basis"
    assert ask("advertising", rules=american, jurisdictions=US).reason == "opt_out"
    assert ask("advertising", "ann | given | advertising | 2026-01 | age_band=u13", rules=bare).reason == "age"
    assert ask("service", "ann | given | service | 2026-01 | age_band=u13", rules=bare).reason == "no_basis"


def test_rows_of_a_channel_or_a_recipient_go_first(ask: Ask, policy: Policy) -> None:
    def row(**facts: Any) -> MatrixRow:
        return MatrixRow(purpose=Purpose("analytics"), line=99, **facts)

    rules = replace(
        policy,
        rows=(
            row(basis="legitimate_interest"),
            row(basis="consent", channel="sms"),
            row(basis="opt_out", recipient="vendor"),
        ),
    )
    assert ask("analytics", rules=rules, channel="sms", recipient="self").reason == "no_consent"
    assert ask("analytics", rules=rules, channel="email", recipient="vendor").reason == "opt_out"
    assert ask("analytics", rules=rules, channel="email", recipient="self").reason == "legitimate_interest"
    assert ask("analytics", rules=rules).reason == "no_consent"


def test_a_named_contact_must_have_said_yes_itself(ask: Ask) -> None:
    table = "bob | given | email_marketing | 2026-01"
    assert ask("email_marketing", table, "ann=own bob=verified", contact=Sid("bob")).reason == "consent"
    assert ask("email_marketing", table, "ann=own bob=verified", contact=Sid("ann")).reason == "link"
    assert ask("personalization", "ann | given | personalization | 2026-01", contact=Sid("x")).reason == "consent"


def test_an_age_that_the_caller_knows_counts(ask: Ask) -> None:
    table = "ann | given | advertising | 2026-01"
    assert ask("advertising", table, age_band="13_15").reason == "age"
    assert ask("advertising", table, age_band="adult").reason == "consent"
    assert ask("advertising", table, age_band="unknown").reason == "consent"
    assert ask("personalization", "ann | given | personalization | 2026-01", age_band="u13").reason == "consent"
    guardian = "ann | given | advertising | 2026-01 | asserted_by=guardian"
    assert ask("advertising", guardian, age_band="13_15").reason == "consent"
    assert ask("advertising", guardian, "ann=verified", age_band="13_15").reason == "age"


def test_a_notice_that_changed_asks_anew(ask: Ask, policy: Policy) -> None:
    purpose = Purpose("personalization")
    terms = replace(policy.purposes[purpose], notices=("terms@2",))
    rules = replace(policy, purposes={**policy.purposes, purpose: terms})
    old = "ann | given | personalization | 2026-01 | notice_id=terms notice_version=1"
    assert ask(purpose, old, rules=rules).reason == "notice_changed"
    assert ask(purpose, old.replace("version=1", "version=2"), rules=rules).reason == "consent"
    assert ask(purpose, "ann | given | personalization | 2026-01", rules=rules).reason == "notice_changed"


def test_frozen_people_are_denied_before_anything_else(ask: Ask, policy: Policy) -> None:
    decision = ask("service", frozen=True)
    assert (decision.allowed, decision.reason, decision.because) == (False, "suppressed", "consent")
    assert decision.policy_line == policy.place(policy.purposes[Purpose("service")].line)


def test_what_we_did_not_know_then_does_not_count_then(ask: Ask) -> None:
    late = "ann | given | personalization | 2026-01\nann | withdrawn | personalization | 2026-02 | received_at=2026-05"
    assert ask("personalization", late, at="2026-03").reason == "consent"
    assert ask("personalization", late, at="2026-05").reason == "withdrawn"


def test_a_clock_that_runs_ahead_does_not_win_the_future(ask: Ask) -> None:
    ahead = "ann | given | personalization | 2027-01 | received_at=2026-01\nann | withdrawn | personalization | 2026-02"
    assert ask("personalization", ahead, at="2027-06").reason == "withdrawn"


def test_an_answer_names_its_line_its_entries_its_masks_and_its_links(ask: Ask, policy: Policy) -> None:
    table = "ann | given | personalization | 2026-01\nann | acknowledged | personalization | 2026-02"
    decision = ask("personalization", table)
    row = next(r for r in policy.rows if r.purpose == "personalization")
    assert decision.policy_line == f"policy.yaml:{row.line}"
    assert decision.policy_version == policy.version
    assert decision.entries == ("1",)
    assert decision.masked == policy.masks[Purpose("personalization")]
    assert decision.links == ("own", "verified")
    assert ask("analytics").links == ("own", "verified", "probable")
    denied = ask("personalization", "ann | refused | personalization | 2026-01")
    assert (denied.entries, denied.masked, denied.links) == (("1",), (), ())


def test_an_unknown_purpose_names_the_known_ones(ask: Ask) -> None:
    with pytest.raises(UnknownPurpose, match="identity_resolution, profiling, service"):
        ask("spying")


def test_what_serving_must_deny_at_once(said: Any, policy: Policy) -> None:
    def denied(line: str) -> tuple[str, ...]:
        return denied_at_once(said(line)[0], policy)

    assert denied("ann | given | all | 2026-01") == ()
    assert denied("ann | restricted | service | 2026-01") == ("all",)
    assert denied("ann | withdrawn | personalization | 2026-01") == ("personalization",)
    assert denied("ann | objected | email_marketing | 2026-01") == ("email_marketing", "advertising")
    assert denied("ann | refused | email_marketing | 2026-01 | channel=sms") == ()
    assert denied("ann | objected | service | 2026-01") == ()
    assert "service" not in denied("ann | withdrawn | all | 2026-01")
