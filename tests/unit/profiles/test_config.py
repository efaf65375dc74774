import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.errors import ConfigurationError
from infra.workspace import Workspace
from profiles.config import SESSIONS, ProfileSettings, load_settings

TEMPLATE = Path(__file__).parents[3] / "api" / "templates" / "workspace" / "profiles.yaml"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "kindred.yaml").write_text("name: test\n")
    return Workspace.open(tmp_path)


def test_the_shipped_file_is_valid(workspace: Workspace) -> None:
    (workspace.root / "profiles.yaml").write_text(TEMPLATE.read_text())
    settings = load_settings(workspace)
    assert settings.windows() == (30, 90, 365)
    assert settings.favourites() == {"department": 3, "category": 5}
    assert settings.survivorship.rules("nickname") == settings.survivorship.default


def test_the_shipped_file_shows_how_sessions_are_declared(workspace: Workspace) -> None:
    text = TEMPLATE.read_text()
    (workspace.root / "profiles.yaml").write_text(text)
    assert not {one.compute for one in load_settings(workspace).traits} & SESSIONS
    shown = re.sub(r"^(\s*)# (?=- \{name: visit|sessions:)", r"\1", text, flags=re.MULTILINE)
    (workspace.root / "profiles.yaml").write_text(shown)
    settings = load_settings(workspace)
    told = {one.name: (one.compute, one.window_days) for one in settings.traits if one.compute in SESSIONS}
    assert told == {
        "visits_30d": ("session_count", 30), "visit_began": ("session_start", None),
        "visit_ended": ("session_end", None),
    }  # fmt: skip
    assert settings.sessions.gap == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("survivorship:\n  default: [most_popular]\n", 2, "known values"),
        ("survivorship:\n  default: []\n", 1, "empty list of rules"),
        ("survivorship:\n  fields: {email: [longest, longest]}\n", 1, "named twice"),
        ("traits:\n  - {name: n, compute: first_seen, window_days: 30}\n", 2, "has no window"),
        ("traits:\n  - {name: n, compute: favourites}\n", 2, "catalogue attribute"),
        ("traits:\n  - {name: n, compute: rfm}\n  - {name: n, compute: rfm}\n", 1, "two traits are called n"),
        ("timelines: {}\n", 1, "unknown key"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(workspace: Workspace, text: str, line: int, wrong: str) -> None:
    (workspace.root / "profiles.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=wrong) as caught:
        load_settings(workspace)
    assert caught.value.line == line


def test_a_field_survives_alone_or_in_one_group() -> None:
    for survivorship in (
        {"together": {"address": ["city"], "place": ["city"]}},
        {"together": {"address": ["city"]}, "fields": {"city": ["longest"]}},
    ):
        with pytest.raises(ValidationError, match="group"):
            ProfileSettings.model_validate({"survivorship": survivorship})
