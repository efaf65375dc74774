"""A model's page: it fetches nothing, shows counts and nobody, and counts right."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from identity.config import IdentityConfig
from identity.matching.registry import MatchModel, as_text
from identity.modelling import charts, portraits, training
from identity.modelling.modelbook import StoredModel

Opened = Callable[..., Any]


@pytest.fixture
def taken(opened: Opened, told: Any, identity_config: IdentityConfig) -> tuple[MatchModel, portraits.Portrait]:
    ann = {"given_name": "Ann", "family_name": "Carver", "birth_date": "1980-02-03"}
    people = [told(f"p{n}", {**ann, "street": f"{n} Elm St"}, {"email": f"ann{n}@example.org"}) for n in range(6)]
    nameless = [told(f"n{n}", {"given_name": "Kim"}) for n in range(3)]
    crowd = [told(f"k{n:02d}", {"family_name": "Odd"}, {"email": "kiosk@example.org"}) for n in range(30)]
    connection = opened([*people, *nameless, *crowd, told("bare", {}, {"loyalty": "28123"})])
    model = training.declared(connection, identity_config)
    portrait = portraits.portrait(connection, identity_config, model)
    connection.close()
    return model, portrait


def test_counts_are_of_describing_records_and_their_pairs(taken: tuple[MatchModel, portraits.Portrait]) -> None:
    _, portrait = taken
    (one,) = portrait.sources
    # a name alone reaches nothing; neither does one with an email that thirty records share
    assert (one.records, one.unlinkable) == (39, 33)
    assert sum(b.count for b in portrait.selves) == 39
    # six Anns with each other, and the crowd by its handle
    assert portrait.candidates == sum(b.count for b in portrait.pairs) == 15 + 435


def test_the_page_fetches_nothing_and_names_nobody(taken: tuple[MatchModel, portraits.Portrait]) -> None:
    model, portrait = taken
    stored = StoredModel(model.version, datetime(2026, 3, 1, tzinfo=UTC), model.records, 1, as_text(model))
    page = charts.page(stored, portrait)
    assert not re.search(r"https?:|src=|<script|<link|@import|url\(", page)
    assert not re.search("ann[0-9]|carver|kiosk|kim|elm st|28123", page, re.IGNORECASE)
    seen = Seen()
    seen.feed(page)
    assert seen.open == []
    assert seen.pictures == 2
    assert all(
        f'href="#{name}"' in page and f'id="{name}"' in page for name in ("weights", "mu", "unlinkables", "pairs")
    )
    assert "33 of 39 records (84.6 %)" in page


def test_a_model_without_records_has_a_page_too(opened: Opened, told: Any, identity_config: IdentityConfig) -> None:
    connection = opened([told("bare", {}, {"loyalty": "28123"})])
    model = training.declared(connection, identity_config)
    portrait = portraits.portrait(connection, identity_config, model)
    connection.close()
    stored = StoredModel(model.version, datetime(2026, 3, 1, tzinfo=UTC), model.records, 1, as_text(model))
    assert "0 of 0 records (0.0 %)" in charts.page(stored, portrait)


class Seen(HTMLParser):
    """What a browser would make of a page: elements still open at its end, and pictures that say what they show."""

    VOID = frozenset({"meta", "line", "rect", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID or tag == "rect":
            self.open.append(tag)
        self.pictures += tag == "svg" and ("role", "img") in attrs and bool(dict(attrs).get("aria-label"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
