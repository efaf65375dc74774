from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.errors import ConfigurationError
from infra.workspace import Workspace
from profiles.config import ProfileSettings, load_settings

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
