"""`kindred check` holds a workspace's files against each other, as a run would."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.cli.scaffold import validate, write_workspace
from infra.errors import ConfigurationError, Unavailable
from infra.workspace import Workspace


@pytest.fixture
def mend(tmp_path: Path) -> Callable[[str, str], Workspace]:
    """Write a fresh workspace with one file more, and open it."""
    write_workspace(tmp_path / "shop")

    def written(path: str, text: str) -> Workspace:
        file = tmp_path / "shop" / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return Workspace.open(tmp_path / "shop")

    return written


AUDIENCE = "audience: {0}\npurpose: {1}\nwhere: {{trait: orders, op: exists}}\n"
DESTINATION = "destination: d\npath: out/d\npurpose: {0}\naudiences: [a]\nmatch_keys: [{1}]\n"


def test_a_fresh_workspace_is_sound(mend: Callable[[str, str], Workspace]) -> None:
    assert validate(mend("audiences/a.yaml", AUDIENCE.format("a", "email_marketing"))).startswith("sound: ")


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("audiences/a.yaml", AUDIENCE.format("a", "emial"), "audiences/a.yaml:2: purpose: unknown purpose 'emial'"),
        ("destinations/d.yaml", DESTINATION.format("adverts", "email"), "d.yaml:3: purpose: unknown purpose 'adverts'"),
        ("destinations/d.yaml", DESTINATION.format("advertising", "fax"), "d.yaml:5: match_keys: unknown identifier"),
        ("decisions/n.yaml", "decision: n\npurpose: perso\n", "decisions/n.yaml:2: purpose: unknown purpose 'perso'"),
    ],
)
def test_a_purpose_or_identifier_that_nothing_declares_is_named(
    mend: Callable[[str, str], Workspace], path: str, text: str, says: str
) -> None:
    mend("audiences/a.yaml", AUDIENCE.format("a", "email_marketing"))
    with pytest.raises(ConfigurationError) as caught:
        validate(mend(path, text))
    assert says in str(caught.value)
    assert "; " in str(caught.value)


def test_a_workspace_is_not_written_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(Unavailable, match="cannot be written"):
            write_workspace(folder)
