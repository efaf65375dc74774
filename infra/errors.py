"""The one tree of errors; each says what was wrong and what would be right, and carries its facts.

KindredError
├── Malformed            exit 2   input or configuration that cannot be read as what it claims to be
│   └── ConfigurationError        a workspace file, with file and line
├── Missing              exit 3   a thing that was named and is not there
├── Refused              exit 4   not allowed: consent, scope or a contradiction
├── Held                 exit 5   another process holds what is needed
├── Unavailable          exit 6   a store or the machine lacks something
└── Broken               exit 7   a promise of our own does not hold; nothing was published

No message carries a person's data: values are described by class (`value_class`).
"""

import re
from pathlib import Path
from typing import ClassVar


class KindredError(Exception):
    """Any failure that Kindred foresees; catch it to show `str(error)` and leave with `exit_code`."""

    exit_code: ClassVar[int] = 1

    def facts(self) -> dict[str, object]:
        """Return what happened as data, for logs and machines; free of personal data."""
        return {"error": type(self).__name__, "message": str(self)}


class Malformed(KindredError):
    """Input that cannot be read as what it claims to be."""

    exit_code = 2


class ConfigurationError(Malformed):
    """A workspace file that is wrong, with its place and what would be right."""

    def __init__(self, file: Path | str, line: int | None, where: str, wrong: str, right: str = "") -> None:
        self.file, self.line, self.where, self.wrong, self.right = str(file), line, where, wrong, right
        place = f"{file}:{line}" if line else str(file)
        key = f" {where}:" if where else ""
        super().__init__(f"{place}:{key} {wrong}" + (f"; {right}" if right else ""))

    def facts(self) -> dict[str, object]:
        """Return file, line and key beside the sentence."""
        return {**super().facts(), "file": self.file, "line": self.line, "where": self.where}


class Missing(KindredError):
    """Something that was named and is not there."""

    exit_code = 3


class Refused(KindredError):
    """Something that may not be done."""

    exit_code = 4


class Held(KindredError):
    """A resource that another process holds; the message names the holder."""

    exit_code = 5


class Unavailable(KindredError):
    """A store, a port or a part of the machine that is not there now."""

    exit_code = 6


class Broken(KindredError):
    """A promise of our own that does not hold, found before anything was published."""

    exit_code = 7


def value_class(value: object) -> str:
    """Describe a value without repeating it: `empty`, `5 digits`, `text of 12 characters`, `list`."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, str):
        if re.fullmatch(r"[0-9]+", value):
            return f"{len(value)} digits"
        return f"text of {len(value)} characters"
    return {"bool": "true or false", "int": "whole number", "float": "number"}.get(
        type(value).__name__, type(value).__name__
    )
