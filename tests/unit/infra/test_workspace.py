"""A workspace that is wrong says where, and what would be right."""

from pathlib import Path

import pytest

from infra.errors import ConfigurationError, Missing, Unavailable
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kindred.yaml").write_text("name: shop\nregion: US\n")
    return tmp_path


def wrong(folder: Path, text: str, file: str = "kindred.yaml") -> ConfigurationError:
    (folder / file).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_identifier_types(Workspace.open(folder))
    return caught.value


def test_a_folder_without_settings_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="kindred init"):
        Workspace.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: shop\nregoin: US\n", 2, "unknown key; known keys: name"),
        ("region: US\n", 1, "a required key is missing"),
        ("name: shop\nserving:\n  port: many\n", 3, "valid integer"),
        ("name: shop\nregion: [unclosed\n", 3, "mend the YAML"),
        ("- name\n", 1, "not a mapping"),
        ("name: ${UNSET_NAME}\n", None, "UNSET_NAME"),
    ],
)
def test_a_broken_file_is_named_with_its_line(folder: Path, text: str, line: int | None, says: str) -> None:
    error = wrong(folder, text)
    assert (error.file, error.line) == ("kindred.yaml", line)
    assert says in str(error)


def test_an_unknown_normaliser_lists_the_known(folder: Path) -> None:
    error = wrong(folder, "identifiers:\n  email:\n    normaliser: mail\n", "identity.yaml")
    assert (error.file, error.line) == ("identity.yaml", 3)
    assert "'email', 'phone'" in str(error)


def test_a_file_that_is_not_utf8_says_so(folder: Path) -> None:
    (folder / "identity.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_identifier_types(Workspace.open(folder))


def test_the_token_key_comes_from_the_environment_or_env_file_and_is_long(folder: Path) -> None:
    with pytest.raises(Unavailable, match="KINDRED_TOKEN_KEY"):
        Workspace.open(folder).token_key()
    (folder / ".env").write_text("KINDRED_TOKEN_KEY=" + "a" * 64 + "\n")
    opened = Workspace.open(folder)
    assert opened.token_key() == b"a" * 64
    assert "aaaa" not in repr(opened)
