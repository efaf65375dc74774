import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consent.overlay import DenyOverlay
from infra.errors import Missing
from infra.ids import ProfileId, Purpose, Token
from profiles.errors import PurposeMissing
from profiles.publish import Edition, Put, is_published, publish_edition
from profiles.serving import FOLDER, ProfileReader, Published
from profiles.stored import ETAG_BYTES

ANALYTICS, SERVICE = Purpose("analytics"), Purpose("service")
ANN = ProfileId("ann")
Editions = Callable[[int], Edition]


class NothingDenied:
    def denied_any(self, tokens: Any, purpose: str) -> bool:
        assert list(tokens)
        assert purpose
        return False


def reader(edition: Edition, denials: Any = None) -> ProfileReader:
    ticks = itertools.count()
    return ProfileReader(Published(edition.serving, lambda: next(ticks)), denials or NothingDenied())


def test_nothing_is_served_before_the_first_edition(edition: Editions) -> None:
    with pytest.raises(Missing, match="kindred run"):
        reader(edition(1)).view(ANN, SERVICE)


def test_an_id_of_stray_bytes_is_nobodys(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles, stray = reader(edition(1)), ProfileId("a\udcff")
    assert profiles.view(stray, SERVICE) is None
    assert not profiles.successors(stray)


def test_a_view_is_ready_bytes_with_its_tag_in_front(edition: Editions) -> None:
    counts = publish_edition(edition(1))
    held = {"views": 6, "profiles": 3, "timelines": 3, "identifiers": 5, "aliases": 3, "other": 0}
    assert counts == held | {"views_changed": 6, "views_removed": 0, "views_kept": 0}
    profiles = reader(edition(1))
    tag, body = profiles.tagged(ANN, SERVICE) or (b"", b"")
    shown = json.loads(body)
    assert len(tag) == ETAG_BYTES
    assert tag.decode() == f'"{shown["version"]}"'
    assert body == profiles.view(ANN, SERVICE)
    assert {k: v for k, v in shown.items() if k not in {"version", "provenance"}} == {
        "profile_id": "ann",
        "as_of": "2026-02-01T08:00:00Z",
        "attributes": {"given_name": "Ánn"},
        "traits": {"orders": 3, "spend": 12.5, "likes": ["Milk", "Soap"], "rfm": "555"},
        "identifiers": [{"type": "email", "value": "ann@example.org"}],
        "audiences": ["big", "loyal"],
        "consent": {"purpose": "service", "allowed": True, "reason": "contract", "policy": "policy.yaml:7"},
        "withheld": [],
        "confidence": 0.9,
    }
    assert profiles.view(ANN, Purpose("advertising")) is None
    assert profiles.view(ProfileId("nobody"), SERVICE) is None


def test_identifiers_lead_to_people_unless_they_are_shared(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles = reader(edition(1))
    assert profiles.find(Token("1:ann")) == "ann"
    assert profiles.find(Token("1:home")) is None
    assert profiles.candidates(Token("1:home")) == ("ann", "bob")
    assert profiles.find(Token("1:nobody")) is None


def test_an_identifier_that_is_only_probably_theirs_leads_to_nobody_where_the_purpose_demands_more(
    edition: Editions,
) -> None:
    links = {"service": ("own", "verified"), "analytics": ("own", "verified", "probable")}
    publish_edition(replace(edition(1), links=links))
    profiles = reader(edition(1))
    assert profiles.find(Token("1:guess"), SERVICE) is None
    assert profiles.find(Token("1:guess"), Purpose("analytics")) == "ann"
    assert profiles.find(Token("1:guess"), Purpose("other")) == "ann"
    assert profiles.find(Token("1:guess")) == "ann", "whose it is, the ledger may ask"
    assert profiles.candidates(Token("1:guess")) == ("ann",)
    assert profiles.find(Token("1:ann"), SERVICE) == "ann"
    assert profiles.find(Token("1:home"), SERVICE) is None


def test_given_up_ids_name_who_answers_for_them(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles = reader(edition(1))
    assert profiles.successors(ProfileId("old")) == ("ann",)
    assert profiles.successors(ProfileId("both")) == ("ann", "bob")
    assert profiles.successors(ANN) == ()


def test_timeline_and_graph_show_what_the_purpose_may_use(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles = reader(edition(1))
    assert [e["order_id"] for e in profiles.timeline(ANN, ANALYTICS) or []] == ["o2", "o1"]
    assert [e["order_id"] for e in profiles.timeline(ANN, SERVICE) or []] == ["o1"]
    graph = profiles.graph(ANN, SERVICE) or {}
    assert [r["attributes"] for r in graph["records"]] == [{"given_name": "ann", "email": "ann@example.org"}, {}]
    masked = profiles.graph(ANN, ANALYTICS) or {}
    assert masked["edges"][0]["reasons"][0]["weight"] == 9.5
    # An edge compares values of two records; service may use one of them, and of the other nothing may show.
    hidden = graph["edges"][0]
    assert (hidden["weight"], hidden["why"], hidden["reasons"]) == (0.0, "withheld", [])
    stranger = graph["records"][1]
    assert (stranger["label"], stranger["observed_at"], stranger["identifiers"]) == ("", None, [])
    assert masked["records"][0]["attributes"] == {"given_name": "ann"}
    assert masked["records"][0]["identifiers"] == [{"type": "email", "masked": "a…@example.org", "token": "1:ann"}]
    outline = json.dumps(profiles.outline(ANN))
    assert "ann@example.org" not in outline
    assert '"label": "A."' in outline
    assert profiles.outline(ProfileId("nobody")) is None


def test_a_denied_identifier_closes_the_person_for_that_purpose(edition: Editions) -> None:
    publish_edition(edition(1))
    overlay = DenyOverlay.open(edition(1).serving)
    profiles = reader(edition(1), overlay)
    assert profiles.view(ANN, SERVICE) is not None
    # Not Ann's own address: one that is probably hers. A refusal crosses every link.
    overlay.restrict([Token("1:ann-near")], [SERVICE], at=edition_moment(), sequence=1)
    assert profiles.view(ANN, SERVICE) is None
    assert profiles.timeline(ANN, SERVICE) is None
    assert profiles.graph(ANN, SERVICE) is None
    assert profiles.search("ann", SERVICE) == []
    assert profiles.view(ANN, ANALYTICS) is not None
    overlay.close()


def edition_moment() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 2, 2, tzinfo=UTC)


def test_names_are_found_without_case_and_accents(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles = reader(edition(1))
    assert profiles.search("ANN", SERVICE) == ["ann"]
    assert profiles.search("a", SERVICE) == ["ann"]
    assert profiles.search("", SERVICE) == []


def test_a_reader_sees_one_edition_until_the_next_is_whole(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles = reader(edition(1))
    assert profiles.generation() == "00000001"

    def meanwhile(put: Put) -> int:
        put(b"c|campaigns", b"[]")
        assert profiles.generation() == "00000001"
        assert profiles.view(ANN, SERVICE) is not None
        return 1

    assert publish_edition(edition(2), [meanwhile])["other"] == 1
    assert profiles.generation() == "00000002"
    publish_edition(edition(3))
    folder = edition(1).serving / FOLDER
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["00000002", "00000003"]
    assert is_published(edition(3))
    assert not is_published(edition(2))


# A process of its own, for what is killed here must take nobody along.
DYING = """
import os, signal, sys
from pathlib import Path
from profiles.config import ProfileSettings
from profiles.publish import Edition, publish_edition

lake, serving, moment = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def dying(put):
    for number in range(20_000):
        put(b"c|%d" % number, b"x")
        if number == moment:
            os.kill(os.getpid(), signal.SIGKILL)

publish_edition(Edition(lake, serving, "00000002", ProfileSettings(), {}), [dying])
"""


@pytest.mark.parametrize("moment", [0, 4_990, 19_999])
def test_a_killed_publication_leaves_the_old_one_and_can_be_repeated(edition: Editions, moment: int) -> None:
    publish_edition(edition(1))
    lake, serving = str(edition(1).lake), str(edition(1).serving)
    killed = subprocess.run([sys.executable, "-c", DYING, lake, serving, str(moment)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    profiles = reader(edition(1))
    assert profiles.generation() == "00000001"
    assert profiles.view(ANN, SERVICE) is not None
    publish_edition(edition(2))
    assert profiles.generation() == "00000002"
    assert not list(Path(edition(2).serving).glob(".audiences-*"))


def test_the_pointer_is_looked_at_again_when_the_last_look_is_old(edition: Editions) -> None:
    publish_edition(edition(1))
    now = time.monotonic()
    moments = iter([now, now + 0.1, now + 1.0])
    published = Published(edition(1).serving, lambda: next(moments))
    profiles = ProfileReader(published, NothingDenied())
    assert profiles.generation() == "00000001"
    publish_edition(edition(2))
    assert profiles.generation() == "00000001"
    assert profiles.generation() == "00000002"


def test_without_a_purpose_nobody_is_shown(edition: Editions) -> None:
    publish_edition(edition(1))
    profiles = reader(edition(1))
    for nothing in ("", None):
        for look in (profiles.view, profiles.tagged, profiles.timeline, profiles.graph):
            with pytest.raises(PurposeMissing, match="name it"):
                look(ANN, nothing)  # type: ignore[operator]
        with pytest.raises(PurposeMissing):
            profiles.search("ann", nothing)  # type: ignore[arg-type]
