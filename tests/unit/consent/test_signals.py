"""Signals at the desk: news becomes an entry, what a banner remembers does not, and a no is obeyed at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tcstrings import tc_string

from consent import store
from consent.officer import Desk, Inquiry, Statement, decide_for, record, show, token_of
from consent.signals.config import CategoriesConfig, GppConfig, SignalsConfig, TcfConfig, load_signals
from consent.signals.desk import Kept, take
from consent.signals.hear import heard, needles, wished
from consent.signals.model import Named, Signals, Visit
from infra.database import open_database
from infra.errors import ConfigurationError
from infra.ids import Token
from infra.workspace import Workspace

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
CONFIG = SignalsConfig(
    tcf=TcfConfig(vendor=7, purposes={"advertising": (1, 3, 4), "analytics": (1, 8)}),
    categories=CategoriesConfig(purposes={"personalization": ("Functional",), "advertising": ("Ads", "Social")}),
)


@pytest.fixture
def cookie(desk: Desk) -> Named:
    return Named("cookie", token_of(desk, "cookie", "ck-1"), "browser")


@pytest.fixture
def ann(desk: Desk) -> Named:
    return Named("email", token_of(desk, "email", "ann@example.org"))


def visit(*named: Named, minutes: float = 0, **said: Any) -> Visit:
    at = AT + timedelta(minutes=minutes)
    more = {name: said.pop(name) for name in ("at", "refusals_only") if name in said}
    return Visit(named=named, signals=Signals(**said), **{"at": at, "received_at": at, **more})


def told(desk: Desk, *tokens: Token) -> list[tuple[str, str, str]]:
    return [(e["purpose"], e["action"], e["mechanism"]) for e in show(desk, list(tokens))]


def centre(desk: Desk, named: Named, action: str, minutes: float, purpose: str = "advertising") -> None:
    at = AT + timedelta(minutes=minutes)
    record(
        desk,
        Statement(
            kind=named.kind, token=named.token, purpose=purpose, action=action, occurred_at=at, received_at=at,
            mechanism="centre",
        ),
    )  # fmt: skip


# The browser's wish


@pytest.mark.parametrize(
    ("values", "set_"),
    [
        (["1"], True),
        ([" 1 "], True),
        (["1, 1"], True),
        (["0", "1"], True),
        (["0,1"], True),
        ([b"1"], True),
        ([], False),
        (["0"], False),
        (["true"], False),
        (["11"], False),
        (["1;"], False),
        (["01"], False),
        ([""], False),
        ([b"\xff"], False),
    ],
)
def test_only_an_exact_one_is_a_wish(values: list[str | bytes], set_: bool) -> None:  # noqa: FBT001
    assert wished(values) is set_


@pytest.mark.parametrize(
    ("event", "set_"),
    [
        ({"context": {"gpc": True}}, True),
        ({"context": {"globalPrivacyControl": "1"}}, True),
        ({"context": {"consent": {"gpc": "true"}}}, True),
        ({"context": {"gpc": False}}, False),
        ({"context": {"gpc": None}}, False),
        ({"context": {"gpc": {"a": 1}}}, False),
        ({"context": "gpc"}, False),
        ({"properties": {"gpc": True}}, False),
    ],
)
def test_an_event_may_tell_what_its_browser_wishes(event: dict[str, Any], set_: bool) -> None:  # noqa: FBT001
    assert heard(event, CONFIG).gpc is set_
    assert heard(event, CONFIG, gpc=True).gpc


def test_a_wish_is_one_entry_for_each_identifier_and_obeyed_at_once(desk: Desk, cookie: Named, ann: Named) -> None:
    kept = [take(desk, CONFIG, [visit(cookie, ann, minutes=m, gpc=True)]) for m in range(3)]
    assert [len(one.entries) for one in kept] == [2, 0, 0]
    assert told(desk, cookie.token) == told(desk, ann.token) == [("advertising", "refused", "gpc")]
    for named in (cookie, ann):
        assert desk.overlay.denied(named.token, "advertising")
        assert not desk.overlay.denied(named.token, "personalization")
    # Another browser of the same person is another identifier.
    other = Named("cookie", token_of(desk, "cookie", "ck-2"), "browser")
    assert len(take(desk, CONFIG, [visit(other, ann, gpc=True)]).entries) == 1


def test_an_authenticated_yes_lifts_the_wish_and_the_browser_that_goes_on_does_not_undo_it(
    desk: Desk, cookie: Named
) -> None:
    take(desk, CONFIG, [visit(cookie, gpc=True)])
    centre(desk, cookie, "given", 5)
    assert take(desk, CONFIG, [visit(cookie, minutes=6, gpc=True)]).entries == ()


def test_a_wish_that_comes_after_a_yes_wins(desk: Desk, cookie: Named) -> None:
    centre(desk, cookie, "given", -5)
    assert len(take(desk, CONFIG, [visit(cookie, gpc=True)]).entries) == 1


def test_no_id_of_an_entry_follows_from_a_token(desk: Desk, cookie: Named, workspace: Workspace) -> None:
    (entry,) = take(desk, CONFIG, [visit(cookie, gpc=True)]).entries
    elsewhere = open_database(f"sqlite:///{workspace.root}/other.db", store.METADATA)
    (other,) = take(replace(desk, database=elsewhere), CONFIG, [visit(cookie, gpc=True)]).entries
    elsewhere.dispose()
    assert entry.id != other.id


def test_a_kill_between_the_ledger_and_the_overlay_is_made_good(
    desk: Desk, cookie: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("consent.overlay.DenyOverlay.restrict_all", killed)
        with pytest.raises(KeyboardInterrupt):
            take(desk, CONFIG, [visit(cookie, gpc=True)])
    assert not desk.overlay.denied(cookie.token, "advertising")
    assert take(desk, CONFIG, [visit(cookie, minutes=1, gpc=True)]).entries == ()
    assert desk.overlay.denied(cookie.token, "advertising")
    # What a build has seen is not denied anew: an opt-in may have lifted it there.
    desk.overlay.purge(as_of=AT + timedelta(hours=1), through=1)
    store.advance(desk.database, {"mirror": 1})
    take(desk, CONFIG, [visit(cookie, minutes=2, gpc=True)])
    assert not desk.overlay.denied(cookie.token, "advertising")


def test_without_a_key_for_evidence_the_word_is_kept_and_the_evidence_is_not(desk: Desk, cookie: Named) -> None:
    bare = open_database("sqlite://", store.METADATA)
    keyless = replace(desk, database=bare)
    assert len(take(keyless, CONFIG, [visit(cookie, gpc=True)]).entries) == 1
    assert [e.evidence for e in store.history(bare, [cookie.token])] == [None]
    bare.dispose()


# Banners


def banner(*named: Named, minutes: float = 0, yes: bool = True, **more: Any) -> Visit:
    return visit(*named, minutes=minutes, categories={"Functional": yes}, **more)


def test_a_banner_is_an_entry_for_each_change(desk: Desk, cookie: Named, ann: Named) -> None:
    for minute, yes in enumerate((True, True, False, False, True)):
        take(desk, CONFIG, [banner(cookie, ann, minutes=minute, yes=yes)])
    assert [action for _, action, _ in told(desk, cookie.token)] == ["given", "refused", "given"]
    assert told(desk, ann.token) == []
    (first, *_) = show(desk, [cookie.token])
    assert "evidence" not in first
    (entry, *_) = store.history(desk.database, [cookie.token])
    assert entry.evidence == '{"said": {"Functional": true}, "signal": "categories"}'


def test_a_banner_names_the_notice_that_it_shows(desk: Desk, cookie: Named) -> None:
    categories = CategoriesConfig(purposes={"personalization": ("Functional",)}, notice="cookies@3")
    (entry,) = take(desk, SignalsConfig(categories=categories), [banner(cookie)]).entries
    assert (entry.notice_id, entry.notice_version) == ("cookies", "3")


def test_a_banner_that_remembers_does_not_take_back_what_was_withdrawn_elsewhere(desk: Desk, cookie: Named) -> None:
    take(desk, CONFIG, [banner(cookie)])
    centre(desk, cookie, "withdrawn", 5, "personalization")
    assert take(desk, CONFIG, [banner(cookie, minutes=6)]).entries == ()


def test_the_first_yes_of_a_banner_does_not_take_back_an_older_no(desk: Desk, cookie: Named) -> None:
    centre(desk, cookie, "withdrawn", -99, "all")
    assert take(desk, CONFIG, [banner(cookie)]).entries == ()
    assert len(take(desk, CONFIG, [banner(cookie, minutes=1, yes=False)]).entries) == 1
    # That was a change of mind, seen happening.
    assert len(take(desk, CONFIG, [banner(cookie, minutes=2)]).entries) == 1


def test_two_browsers_of_one_login_do_not_talk_each_other_down(desk: Desk, cookie: Named) -> None:
    login = Named("email", token_of(desk, "email", "ann@example.org"), "visitor")
    other = Named("cookie", token_of(desk, "cookie", "ck-2"), "browser")
    for minute in range(4):
        take(desk, CONFIG, [banner(cookie, login, minutes=2 * minute)])
        take(desk, CONFIG, [banner(other, login, minutes=2 * minute + 1, yes=False)])
    assert told(desk, cookie.token) == [("personalization", "given", "banner")]
    assert told(desk, other.token) == [("personalization", "refused", "banner")]
    assert told(desk, login.token) == []


def test_without_a_browser_the_visitor_speaks_and_a_no_sticks(desk: Desk) -> None:
    login = Named("email", token_of(desk, "email", "ann@example.org"), "visitor")
    for minute, yes in enumerate((True, False, True, False)):
        take(desk, CONFIG, [banner(login, minutes=minute, yes=yes)])
    assert [action for _, action, _ in told(desk, login.token)] == ["given", "refused"]


def test_an_address_that_somebody_typed_never_gets_a_yes(desk: Desk, ann: Named) -> None:
    assert take(desk, CONFIG, [banner(ann)]).entries == ()
    assert [e.action for e in take(desk, CONFIG, [banner(ann, minutes=1, yes=False)]).entries] == ["refused"]


def test_a_purpose_of_several_categories_needs_a_yes_to_each_and_one_no_is_enough(desk: Desk, cookie: Named) -> None:
    assert take(desk, CONFIG, [visit(cookie, categories={"Ads": True})]).entries == ()
    (entry,) = take(desk, CONFIG, [visit(cookie, minutes=1, categories={"Ads": True, "Social": False})]).entries
    assert (entry.purpose, entry.action) == ("advertising", "refused")
    (entry,) = take(desk, CONFIG, [visit(cookie, minutes=2, categories={"Ads": True, "Social": True})]).entries
    assert entry.action == "given"


@pytest.mark.parametrize("said", [None, 1, "yes", "maybe", [], {}, 2.5])
def test_only_a_plain_yes_is_a_yes(said: object) -> None:
    event = {"context": {"consent": {"categoryPreferences": {"Functional": said, "Ads": "No", "unknown": True}}}}
    assert heard(event, CONFIG).categories == {"Ads": False}


# TC strings


def test_a_string_is_given_refused_and_where_it_breaks_no_longer_counts(desk: Desk, cookie: Named) -> None:
    day = AT.replace(hour=0)
    agreed = tc_string(updated=day - timedelta(days=30))
    kept = take(desk, CONFIG, [visit(cookie, tcf=agreed)])
    assert {(e.purpose, e.action) for e in kept.entries} == {("advertising", "given"), ("analytics", "refused")}
    assert next(e for e in kept.entries if e.action == "given").occurred_at == day - timedelta(days=30)
    assert all(agreed in (e.evidence or "") for e in kept.entries)
    assert take(desk, CONFIG, [visit(cookie, minutes=1, tcf=agreed)]).entries == ()
    # A broken one proves nothing, and ends the yes that rested on the whole one.
    (ended,) = take(desk, CONFIG, [visit(cookie, minutes=2, tcf=agreed[:-1][:40])]).entries
    assert (ended.purpose, ended.action) == ("advertising", "invalidated")
    assert take(desk, CONFIG, [visit(cookie, minutes=3, tcf="garbage")]).entries == ()


def test_a_broken_string_of_somebody_new_is_nothing(desk: Desk, cookie: Named) -> None:
    assert take(desk, CONFIG, [visit(cookie, tcf="garbage")]).entries == ()


def test_a_string_of_tomorrow_and_one_without_a_vendor_is_no_yes(desk: Desk, cookie: Named) -> None:
    assert take(desk, CONFIG, [visit(cookie, tcf=tc_string(updated=AT + timedelta(days=3)))]).entries == ()
    kept = take(desk, CONFIG, [visit(cookie, minutes=1, tcf=tc_string(vendors=(8,), updated=AT))])
    assert {e.action for e in kept.entries} == {"refused"}


def test_a_renewed_string_renews_and_an_old_one_after_a_no_does_not(desk: Desk, cookie: Named) -> None:
    old, new = (tc_string(purposes=(1, 3, 4, 8), updated=AT - timedelta(days=d)) for d in (60, 1))
    no = tc_string(purposes=(), updated=AT)
    take(desk, CONFIG, [visit(cookie, tcf=old), visit(cookie, minutes=1, tcf=new)])
    assert [a for _, a, _ in told(desk, cookie.token)] == ["given"] * 4
    take(desk, CONFIG, [visit(cookie, minutes=2, tcf=no)])
    assert take(desk, CONFIG, [visit(cookie, minutes=3, tcf=old)]).entries == ()
    again = tc_string(purposes=(1, 3, 4, 8), updated=AT.replace(hour=0))
    kept = take(desk, CONFIG, [visit(cookie, minutes=4, tcf=again)]).entries
    assert [(e.action, e.occurred_at) for e in kept] == [("given", AT + timedelta(minutes=4))] * 2


# GPP strings


def test_a_gpp_string_refuses_carries_the_wish_and_brings_its_tc_string(desk: Desk, cookie: Named, ann: Named) -> None:
    config = CONFIG.model_copy(update={"gpp": GppConfig(purposes={"analytics": ("sale", "sharing")})})
    sold = visit(cookie, ann, gpp="DBABLA~BAAQ.YA")
    kept = take(desk, config, [sold, replace(sold, at=AT + timedelta(minutes=1))]).entries
    assert {(e.purpose, e.mechanism) for e in kept} == {("advertising", "gpc"), ("analytics", "gpp")}
    assert told(desk, ann.token) == [("advertising", "refused", "gpc")]
    assert all("DBABLA~BAAQ.YA" in (e.evidence or "") for e in kept)
    # No opt-out is no yes, and neither is what cannot be read.
    for text in ("DBABLA~BAA", "garbage", "", "DBABLA"):
        assert take(desk, config, [visit(cookie, minutes=2, gpp=text)]).entries == ()
    other = Named("cookie", token_of(desk, "cookie", "ck-2"), "browser")
    inside = visit(other, gpp="DBABMA~" + tc_string(purposes=(1, 3, 4, 8), updated=AT))
    assert {e.mechanism for e in take(desk, config, [inside]).entries} == {"tcf"}
    # Without a mapping nobody listens to it.
    assert take(desk, CONFIG, [visit(other, minutes=1, gpp="DBABLA~BAAQ.YA")]).entries == ()


# Clocks, and what may not be stored


def test_a_clock_that_is_off_is_told_and_a_no_is_kept_all_the_same(desk: Desk, cookie: Named) -> None:
    for days in (-40, 40):
        named = Named("cookie", token_of(desk, "cookie", f"ck{days}"), "browser")
        kept = take(desk, CONFIG, [banner(named, yes=False, at=AT + timedelta(days=days))])
        assert kept.flags == ("clock_skew",)
        assert [(e.action, e.occurred_at) for e in kept.entries] == [("refused", AT + timedelta(days=min(days, 0)))]
    assert take(desk, CONFIG, [banner(cookie)]).flags == ()


def test_of_what_may_not_be_stored_only_a_no_is_kept(desk: Desk, cookie: Named) -> None:
    both = visit(cookie, gpc=True, categories={"Functional": True, "Ads": False}, refusals_only=True)
    kept = take(desk, CONFIG, [both])
    assert {(e.purpose, e.mechanism) for e in kept.entries} == {("advertising", "gpc"), ("advertising", "banner")}


def test_many_visits_are_one_transaction_and_the_same_as_one_by_one(desk: Desk) -> None:
    visits = [
        visit(Named("cookie", token_of(desk, "cookie", f"ck-{n % 40}"), "browser"), minutes=n / 60, gpc=n % 3 == 0,
              categories={"Functional": n % 7 != 0})
        for n in range(400)
    ]  # fmt: skip
    together = take(desk, CONFIG, visits)
    assert store.entries(desk.database) == len(together.entries)
    before = store.entries(desk.database)
    assert take(desk, CONFIG, visits[-40:]).entries == ()
    assert store.entries(desk.database) == before


_SAID = st.tuples(st.sampled_from(["centre", "banner", "gpc"]), st.booleans(), st.integers(0, 50))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(said=st.lists(_SAID, max_size=10, unique_by=lambda one: one[2]))
def test_a_signal_heard_again_never_opens_anything(desk: Desk, said: list[tuple[str, bool, int]]) -> None:
    """Whatever was said before: to hear the last signal of each kind once more changes no decision."""
    named = Named("cookie", Token(f"cookie:{desk.mint()}"), "browser")
    last: dict[str, Visit] = {}
    for mechanism, yes, minute in sorted(said, key=lambda one: one[2]):
        if mechanism == "centre":
            centre(desk, named, "given" if yes else "withdrawn", minute, "personalization")
        else:
            more = {"gpc": True} if mechanism == "gpc" else {"categories": {"Functional": yes}}
            last[mechanism] = visit(named, minutes=minute, **more)
            take(desk, CONFIG, [last[mechanism]])
    ask = Inquiry(purpose="personalization", at=AT + timedelta(days=1), actor="a", jurisdictions=("US",))
    before = decide_for(desk, {named.token: "own"}, ask).decision.allowed
    for one in last.values():
        later = replace(one, at=AT + timedelta(hours=2), received_at=AT + timedelta(hours=2))
        assert isinstance(take(desk, CONFIG, [later]), Kept)
    assert decide_for(desk, {named.token: "own"}, ask).decision.allowed == before


# What the workspace says of signals


def test_without_a_file_the_browser_counts_alone(workspace: Workspace, desk: Desk) -> None:
    (workspace.root / "consent" / "signals.yaml").unlink(missing_ok=True)
    config = load_signals(workspace, desk.policy)
    assert (config.tcf, config.categories) == (None, None)
    assert b'"gpc"' in needles(config)


def test_an_unknown_purpose_is_named_with_its_line(workspace: Workspace, desk: Desk) -> None:
    text = "tcf:\n  vendor: 7\n  purposes:\n    advertising: [1, 3]\n    spying: [2]\n"
    (workspace.root / "consent" / "signals.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"signals\.yaml:5.*unknown purpose `spying`"):
        load_signals(workspace, desk.policy)
