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
        ("name: shop\njurisdiction: ${UNSET_NAME}\n", 2, "UNSET_NAME"),
        ("name: shop\njurisdiction: 2024-02-30\n", 2, "not the date or number that it looks like"),
        ("name: shop\njurisdiction: 2024-01-01 99:99:99\n", 2, "not the date or number that it looks like"),
        ("name: shop\nseed: !!int s3cret\n", 2, "not the date or number that it looks like"),
        ("name: shop\nseed: !!bool s3cret\n", 2, "not the date or number that it looks like"),
        ("name: shop\nseed: " + "9" * 5000 + "\n", 2, "not the date or number that it looks like"),
        ("name: shop\nseed: !!timestamp s3cret\n", 2, "failed to construct timestamp; mend"),
        ("name: shop\nregion: s3cret\nregion: US\n", 3, 'found duplicate key "region"; mend'),
        ("name: shop\nregion: U\0\n", 2, "the character U+0000 has no place in YAML"),
        ("name: shop\nseed: " + "[" * 2000 + "]" * 2000 + "\n", 1, "nested deeper"),
        ("name: shop\n7: x\n", 2, "unknown key"),
        ("", 1, "not a mapping"),
        ("name: shop\ntime_zone: Mars/Phobos\n", 2, "use a name such as UTC or America/New_York"),
        ("name: shop\ntime_zone: America\n", 2, "use a name such as UTC or America/New_York"),
        ("name: shop\nregion: zz\n", 2, "not a region with telephone numbers"),
    ],
)
def test_a_broken_file_is_named_with_its_line(folder: Path, text: str, line: int | None, says: str) -> None:
    error = wrong(folder, text)
    assert (error.file, error.line) == ("kindred.yaml", line)
    assert says in str(error)
    assert "s3cret" not in str(error)


def test_an_unknown_normaliser_lists_the_known(folder: Path) -> None:
    error = wrong(folder, "identifiers:\n  email:\n    normaliser: mail\n", "identity.yaml")
    assert (error.file, error.line) == ("identity.yaml", 3)
    assert "'email', 'phone'" in str(error)


def test_a_blocked_value_that_is_no_regular_expression_is_named(folder: Path) -> None:
    text = 'identifiers:\n  email:\n    normaliser: email\n    blocked: ["x", "/[z-a]/"]\n'
    error = wrong(folder, text, "identity.yaml")
    assert (error.line, error.where) == (4, "identifiers.email.blocked")
    assert "not a regular expression" in str(error)


def test_secrets_that_are_not_utf8_are_not_read(folder: Path) -> None:
    (folder / ".env").write_bytes(b"A=1\nKINDRED_TOKEN_KEY=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"\.env:2: not UTF-8"):
        Workspace.open(folder)


def test_a_file_that_is_not_utf8_says_so(folder: Path) -> None:
    (folder / "identity.yaml").write_bytes(b"identifiers:\n  name: caf\xe9\n")
    with pytest.raises(ConfigurationError, match=r"identity\.yaml:2: not UTF-8"):
        load_identifier_types(Workspace.open(folder))


def test_the_token_key_comes_from_the_environment_or_env_file_and_is_long(folder: Path) -> None:
    with pytest.raises(Unavailable, match="KINDRED_TOKEN_KEY"):
        Workspace.open(folder).token_key()
    (folder / ".env").write_text("KINDRED_TOKEN_KEY=" + "a" * 64 + "\n")
    opened = Workspace.open(folder)
    assert opened.token_key() == b"a" * 64
    assert "aaaa" not in repr(opened)


def test_the_environment_has_the_last_word_on_the_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "kindred.yaml").write_text("name: shop\nengine: {driver_memory: 3g, shuffle_partitions: 8}\n")
    (folder / ".env").write_text("KINDRED_ENGINE__DRIVER_MEMORY=1g\nKINDRED_SERVING__PORT=9000\n")
    monkeypatch.setenv("KINDRED_ENGINE__DRIVER_MEMORY", "2g")
    monkeypatch.setenv("KINDRED_ENGINE__MAX_RESULT_SIZE", "")
    settings = Workspace.open(folder).settings
    assert (settings.engine.driver_memory, settings.engine.shuffle_partitions) == ("2g", 8)
    assert settings.engine.max_result_size == "256m"
    assert settings.serving.port == 9000


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("KINDRED_ENGINE__MEMORY", "unknown key; use KINDRED_ENGINE__MASTER, KINDRED_ENGINE__DRIVER_MEMORY"),
        ("KINDRED_MOTOR__MASTER", "no such section; use KINDRED_ENGINE__…"),
        ("KINDRED_ENGINE__SHUFFLE_PARTITIONS", "valid integer"),
    ],
)
def test_a_variable_that_is_wrong_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str) -> None:
    monkeypatch.setenv(name, "many")
    with pytest.raises(ConfigurationError) as caught:
        Workspace.open(folder)
    assert caught.value.where == name
    assert says in str(caught.value)
    assert "many" not in str(caught.value)
