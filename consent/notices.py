"""The notices that people are shown before they say yes: with their texts, so that a word can name their hash."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from consent.model import Notice
from infra.errors import ConfigurationError
from infra.workspace import Workspace

# BCP 47: de, pt-BR, zh-Hant.
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
NoticeVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]
_STATED: Final = re.compile(r"([^@\s]+)@([^@\s]+)")


class NoticeConfig(BaseModel):
    """One version of a notice: a text for each language, and whether it says something else than the one before."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    version: NoticeVersion
    texts: dict[Language, str] = Field(min_length=1, description="language: file below the workspace")
    sha256: dict[Language, Digest] = Field(default={}, description="language: digest that the text is held to")
    material: bool = Field(default=True, description="false: only wording; who saw the version before has seen this")


Declared = Mapping[str, Sequence[NoticeConfig]]


def notices(workspace: Workspace, file: str, declared: Declared, lines: Mapping[str, int]) -> tuple[Notice, ...]:
    """Return every declared version with the digests of its texts; raise where a text lacks or was changed."""
    found = []
    for name, versions in declared.items():
        seen: set[str] = set()
        for one in versions:
            if one.version in seen:
                wrong = f"version {one.version} is declared twice"
                raise ConfigurationError(file, lines[name], f"notices.{name}", wrong, "give each text its own version")
            seen.add(one.version)
            digests = {
                language: _digest(workspace, file, name, lines[name], text) for language, text in one.texts.items()
            }
            _hold(file, name, lines[name], one, digests)
            found.append(Notice(id=name, version=one.version, material=one.material, sha256=digests))
    return tuple(found)


def _digest(workspace: Workspace, file: str, name: str, line: int, text: str) -> str:
    root = workspace.root.resolve()
    path = (root / text).resolve()
    where = f"notices.{name}"
    if not path.is_relative_to(root):
        raise ConfigurationError(
            file, line, where, f"{text} lies outside the workspace", "keep notices beside the policy"
        )
    if not path.is_file():
        raise ConfigurationError(file, line, where, f"there is no file {text}", "write the text that people are shown")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hold(file: str, name: str, line: int, stated: NoticeConfig, digests: Mapping[str, str]) -> None:
    where = f"notices.{name}"
    for language, wanted in stated.sha256.items():
        if language not in digests:
            raise ConfigurationError(file, line, where, f"sha256 names {language}, texts does not", "name its file")
        if digests[language] != wanted:
            wrong = f"the text in {language} of version {stated.version} is not the one that was fixed"
            right = f"give the new text a new version, or fix this one: {digests[language]}"
            raise ConfigurationError(file, line, where, wrong, right)


def accepted(stated: Iterable[str], known: Sequence[Notice], *, file: str, line: int, where: str) -> tuple[str, ...]:
    """Return as `id@version` the notices that a grant may have seen, for what a purpose states.

    A bare id means the newest version, and before it those that differ from it in wording only: what changed
    materially counts as never seen. A version that is spelled out means itself.
    """
    wanted: list[str] = []
    for one in stated:
        name, _, version = one.partition("@")
        versions = [notice for notice in known if notice.id == name]
        if not version and not versions:
            declared = ", ".join(dict.fromkeys(notice.id for notice in known)) or "none"
            right = f"declare it below `notices` (declared: {declared}), or name a version: {name}@1"
            raise ConfigurationError(file, line, where, f"unknown notice `{one}`", right)
        if version and versions and version not in {notice.version for notice in versions}:
            right = f"known versions: {', '.join(notice.version for notice in versions)}"
            raise ConfigurationError(file, line, where, f"notice {name} has no version `{version}`", right)
        if version and not _STATED.fullmatch(one):
            raise ConfigurationError(file, line, where, f"`{one}` is no notice", "write id or id@version")
        wanted += [one] if version else [notice.name for notice in standing(versions)]
    return tuple(dict.fromkeys(wanted))


def standing(versions: Sequence[Notice]) -> tuple[Notice, ...]:
    """Return the versions of one notice that say what the newest says: back to the last material change."""
    for place in range(len(versions) - 1, -1, -1):
        if versions[place].material:
            return tuple(versions[place:])
    return tuple(versions)
