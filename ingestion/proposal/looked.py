"""A file as it was looked at, and why one cannot be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from consent.discovery.evident import tellable
from infra.errors import Malformed

_LONGEST_NAME: Final = 200


class NotUnderstood(Malformed):
    """A file that cannot be read as rows, with why and what would be right; no value of it is repeated."""

    def __init__(self, file: str, wrong: str, right: str) -> None:
        self.file, self.wrong, self.right = file, wrong, right
        super().__init__(f"{file}: {wrong}; {right}")


@dataclass(frozen=True, slots=True)
class Looked:
    """A file as it was read: how (`connector`), and its columns' values, as many rows as were looked at.

    `unusable` are columns that no declaration can name, each with the reason. Values are people's.
    """

    path: Path
    connector: Mapping[str, str]
    rows: int
    columns: Mapping[str, Sequence[str | None]] = field(repr=False)
    unusable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def unusable(names: Sequence[str]) -> dict[str, str]:
    """Return the columns that a declaration cannot name, each with the reason."""
    twice = {name for name, count in Counter(names).items() if count > 1}
    found: dict[str, str] = {}
    for name in names:
        if name in twice and name:
            found[name] = "several columns are called so; rename all but one"
        elif not name:
            found[""] = "a column without a name; name it"
        elif name.startswith("=") or "${" in name or len(name) > _LONGEST_NAME or not name.isprintable():
            found[name] = "its name has no place in a declaration; rename it"
        elif tellable(name) != name:
            found[name] = "it is named by a value"
    return found


def ended(
    path: Path, connector: Mapping[str, str], rows: int, columns: Mapping[str, Sequence[str | None]],
    unfit: Mapping[str, str], notes: tuple[str, ...], *, more: bool,
) -> Looked:  # fmt: skip
    """Return what was read of a file; raise `NotUnderstood` where no column of it can be named."""
    if not columns:
        raise NotUnderstood(tellable(path.name), "no column of it can be named", "write one header, or objects")
    if more:
        notes = (*notes, f"only the first {rows:,} rows were looked at")
    told = {tellable(name) or "(without a name)": why for name, why in unfit.items()}
    return Looked(path, connector, rows, columns, told, notes)
