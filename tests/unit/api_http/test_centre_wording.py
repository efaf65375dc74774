"""The languages of the preference centre: each says everything, and a workspace may say it otherwise."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.app import create_app
from api.http.centre.wording import languages, preferred, shipped, value
from consent.model import ACTIONS, MECHANISMS
from consent.requests.deadlines import LAWS
from consent.requests.grounds import GROUNDS
from consent.requests.model import STATUSES
from infra.errors import ConfigurationError
from infra.workspace import Workspace

# Of purposes English says what the policy does.
GROUPS = ("reasons", "actions", "mechanisms", "rights", "rights_told", "statuses", "fields", "sources", "happened",
          "laws", "grounds", "steps", "wrong")  # fmt: skip


def test_every_language_says_everything() -> None:
    first, *others = shipped().values()
    for other in others:
        assert set(other) == set(first)
        for group in GROUPS:
            assert set(other[group]) == set(first[group])
        for name, text in first.items():
            if isinstance(text, str):
                assert re.findall(r"{\w+}", other[name]) == re.findall(r"{\w+}", text), name


def test_languages_know_every_word_that_a_request_may_come_to() -> None:
    for language in shipped().values():
        assert set(GROUNDS) == set(language["grounds"])
        assert set(LAWS) == set(language["laws"])
        assert set(STATUSES) - {"extended"} <= set(language["steps"]) | {"waiting_subject", "failed"}
        assert set(MECHANISMS) == set(language["mechanisms"])
        assert set(ACTIONS) == set(language["actions"])
        assert len(language["months"]) == 12


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        ("en", "2025-03-02T23:12:00Z", "3 March 2025"),
        ("de", "2025-03-02T23:12:00+00:00", "3. März 2025"),
        ("de", "1984-02-29", "29. Februar 1984"),
        ("en", "9999-99-99", "9999-99-99"),
        ("en", "2025-13-02T09:12:00Z", "2025-13-02T09:12:00Z"),
        ("en", "14 Elm Street", "14 Elm Street"),
        ("en", "45402", "45402"),
    ],
)
def test_values_are_written_as_people_write_them(code: str, said: str, told: str) -> None:
    assert value(shipped()[code], said, ZoneInfo("Europe/Berlin")) == told


@given(st.text(max_size=200))
def test_any_header_prefers_some_language(header: str) -> None:
    assert preferred(header, ["en", "de"]) in {"en", "de"}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("en;q=0.2, de;q=0.7", "de"),
        ("de;q=0", "en"),
        ("fr, de", "de"),
        ("*", "en"),
        ("DE-ch", "de"),
        ("de;q=x, en", "en"),
    ],
)
def test_the_best_liked_language_is_taken(header: str, code: str) -> None:
    assert preferred(header, ["en", "de"]) == code


def test_a_workspace_says_it_in_its_own_words(town: Any, tmp_path: Path) -> None:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    folder = tmp_path / "consent" / "centre"
    folder.mkdir(parents=True)
    (folder / "fr.yaml").write_text("name: Français\ntexts: {yes: Autoriser}\npurposes: {analytics: Compter}\n")
    (folder / "en.yaml").write_text("purposes: {analytics: We count}\n")
    found = languages(Workspace.open(tmp_path))
    assert list(found) == ["en", "de", "fr"]
    assert found["fr"]["yes"] == "Autoriser"
    assert found["fr"]["no"] == found["en"]["no"]
    assert found["en"]["purposes"]["analytics"] == "We count"
    assert create_app(replace(town.world, languages=found)) is not None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("name: X\nmonths: [a, b]\n", "twelve"),
        ("texts: {a: b}\nname: X\n", "unknown text"),
        ("texts: {}\n", "needs its name"),
    ],
)
def test_a_wrong_language_file_is_told(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    folder = tmp_path / "consent" / "centre"
    folder.mkdir(parents=True)
    (folder / "fr.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=wrong):
        languages(Workspace.open(tmp_path))
