"""What can go wrong when somebody asks who is who."""

from infra.errors import Broken, Malformed, Missing, Refused


class Contradiction(Refused):
    """A steward's wish that an earlier wish forbids; the action fails, never the batch."""

    def __init__(self, kind: str, left: str, right: str, because: str) -> None:
        self.kind, self.left, self.right, self.because = kind, left, right, because
        super().__init__(
            f"{kind} {left} {right} contradicts what stands: {because}; withdraw the earlier constraint first"
        )

    def facts(self) -> dict[str, object]:
        """Return the pair and the reason beside the sentence; keys are opaque ids."""
        return {**super().facts(), "kind": self.kind, "left": self.left, "right": self.right, "because": self.because}


class UnknownIdentity(Missing):
    """A record key or profile id that nothing is known of."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(f"no record or profile {reference}; pass a record key or a profile id of the last run")


class OtherRules(Refused):
    """A resolution that was cut off and would go on by other rules than it began by."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(
            f"run {number} began by another policy or identity.yaml than there is now; run `kindred resolve`: it takes back "
            "what that run had begun, and follows the new rules"
        )


class NoTruth(Missing):
    """A truth folder without the file that a score needs."""

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(f"there is no {file}; `kindred demo-data` writes the truth beside the sources")


class UnevenModel(Broken):
    """A stored model whose levels are not those of the comparisons that its version names."""

    def __init__(self, comparison: str, stored: int, declared: int) -> None:
        self.comparison = comparison
        super().__init__(
            f"the stored model has {stored} levels for {comparison}, the configuration {declared}; run `kindred train`"
        )


class ForeignModel(Broken):
    """A stored model that this Kindred cannot weigh with: another format, or comparisons that it does not know."""

    def __init__(self, version: str, because: str) -> None:
        self.version, self.because = version, because
        super().__init__(
            f"the stored model {version} cannot be used: {because}; run `kindred train` to learn a new one, or use the "
            "Kindred that stored it"
        )


class UnknownModel(Missing):
    """A model version that the registry does not hold, or a beginning that fits several."""

    def __init__(self, version: str, fitting: int) -> None:
        several = f"{fitting} models begin" if fitting else "no model begins"
        super().__init__(f"{several} with {version}; `kindred models list` shows them")


class BadLabels(Malformed):
    """A file of labelled pairs that cannot be meant as it stands; line and reason, no value of it."""

    def __init__(self, file: str, line: int, wrong: str, right: str) -> None:
        self.file, self.line = file, line
        super().__init__(f"{file}:{line}: {wrong}; {right}")

    def facts(self) -> dict[str, object]:
        """Return file and line beside the sentence."""
        return {**super().facts(), "file": self.file, "line": self.line}


class Uncompiled(Broken):
    """A condition in SQL that says more than the Python scorer can."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"no Python for {what} of a SQL condition; add it to identity/matching/conditions.py")


class Unresolved(Missing):
    """A lake in which nobody has been resolved yet."""

    def __init__(self) -> None:
        super().__init__("nobody has been resolved here yet; `kindred run` does it")


class TooManyChanges(Refused):
    """A rehearsal that found more changes than were allowed."""

    def __init__(self, changed: int, allowed: int) -> None:
        self.changed, self.allowed = changed, allowed
        super().__init__(
            f"{changed:,} profile ids would change, and --at-most allows {allowed:,}; look at the examples, then mend the "
            "rules or allow more"
        )


class UnknownTask(Missing):
    """A question that is not in the review queue."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"there is no question {task_id}; `kindred review list` shows what waits")


class NotParted(Refused):
    """Two that are to be parted, and one record is on both sides."""

    def __init__(self) -> None:
        super().__init__("one record carries both, so nothing can part them; `kindred split` takes whole records out")
