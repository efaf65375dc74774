"""What can be wrong with a source: its files, or the books that are kept of them."""

from infra.errors import Broken, Held, Malformed, Missing


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
        super().__init__(
            f"source {source}: no file matches {pattern}; put the files there, or mend connector.path in its YAML "
            "(relative to the workspace)"
        )


class UnknownSource(Missing):
    """A source that was asked for by a name that no YAML file declares."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no source is called {name!r}; declared in sources/: {', '.join(known) or 'none'}")


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


class SourceUnreadable(Malformed):
    """Files that Spark could not read to their end."""

    def __init__(self, sources: tuple[str, ...], condition: str) -> None:
        super().__init__(
            f"the files of {', '.join(sources)} could not be read to the end ({condition}); name the sources one by "
            "one to find the file, write it again and rerun: what was taken in already is not taken in twice"
        )
