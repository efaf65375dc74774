"""What can be wrong with a source: its files, or the books that are kept of them."""

from collections.abc import Iterable

from infra.errors import Broken, Held, Malformed, Missing, Unavailable


class SourceFileMalformed(Malformed):
    """A file that is not what its source's declaration says; the place and what would be right."""

    def __init__(self, file: str, line: int | None, wrong: str, right: str) -> None:
        self.file, self.line = file, line
        super().__init__(f"{file}:{line}: {wrong}; {right}" if line else f"{file}: {wrong}; {right}")

    def facts(self) -> dict[str, object]:
        """Return file and line beside the sentence."""
        return {**super().facts(), "file": self.file, "line": self.line}


class SourceFilesMissing(Missing):
    """A source whose path names no file."""

    def __init__(self, source: str, pattern: str) -> None:
        self.source, self.pattern = source, pattern
        within = "" if "://" in pattern else " (relative to the workspace)"
        super().__init__(
            f"source {source}: no file matches {pattern}; put the files there, or mend connector.path in its YAML"
            f"{within}"
        )


class UnknownSource(Missing):
    """A source that was asked for by a name that no YAML file declares."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no source is called {name!r}; declared in sources/: {', '.join(known) or 'none'}")


class NothingToFollow(Missing):
    """A log that no source fills."""

    def __init__(self) -> None:
        super().__init__(
            "no source collects events, so there is nothing to follow; declare one with connector: {type: collector}"
        )


class SourceChangedMidway(Held):
    """A file that changed while its run was interrupted: what was half loaded is no longer there to be finished."""

    def __init__(self, source: str, file: str, run_id: str) -> None:
        super().__init__(
            f"source {source}: {file} changed since run {run_id} began; put the former file back to resume this "
            "run, or give it up and start a new one, which takes in the new file whole"
        )


class BooksDoNotBalance(Broken):
    """Rows that were read and have no verdict, or the other way round."""

    def __init__(self, source: str, file: str, expected: int, found: int, unit: str) -> None:
        super().__init__(
            f"source {source}: {file} has {expected} {unit}, but {found} have a verdict; nothing of it was written"
        )


class TablesDoNotBalance(Broken):
    """A table that gained other rows than the accounts of a run say: its files do not count as taken in."""

    def __init__(self, source: str, table: str, owed: int, gained: int) -> None:
        super().__init__(
            f"source {source}: by the accounts the table {table} gains {owed} rows, but it gained {gained}; the files "
            "do not count as taken in and nothing is published. Run again: rows that are missing come in then; rows "
            "that are too many have this run's number as their `batch` and have to be looked into first"
        )


class SourceUnreadable(Malformed):
    """Files that Spark could not read to their end."""

    def __init__(self, sources: tuple[str, ...], condition: str) -> None:
        super().__init__(
            f"the files of {', '.join(sources)} could not be read to the end ({condition}); name the sources one by "
            "one to find the file, write it again and rerun: what was taken in already is not taken in twice"
        )


class ConnectorMalformed(Malformed):
    """A connector that asks its system for something that it does not have, or that is none."""

    def __init__(self, source: str, wrong: str, right: str) -> None:
        super().__init__(f"source {source}: {wrong}; {right}")


class SourceAway(Unavailable):
    """A system that rows should be fetched from and that does not answer."""

    def __init__(self, source: str, system: str, wrong: str, right: str) -> None:
        super().__init__(
            f"source {source}: {system}: {wrong}; {right}. What had landed is kept, and the next run goes on there"
        )


class ChangesGone(Missing):
    """Changes that were not read in time and that their system no longer keeps."""

    def __init__(self, source: str, what: str) -> None:
        super().__init__(
            f"source {source}: {what}. Write connector.again: with a new word, such as today's date, and all that is "
            "there now is read anew; what was deleted in between stays until it is deleted here, too"
        )


class NothingCame(Missing):
    """A stretch of time in which nothing of the sources was taken in."""

    def __init__(self, sources: Iterable[str], span: str) -> None:
        super().__init__(
            f"nothing of {', '.join(sources)} came in {span}; name another span, or take the sources in first"
        )
