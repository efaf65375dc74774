"""What can go wrong in activation; each error names the thing and what would be right."""

from collections.abc import Iterable

from infra.errors import Malformed, Missing, Refused


class UnknownDecision(Missing):
    """A decision that no file of `decisions/` declares."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(sorted(known))
        super().__init__(f"no decision {name!r}; declared: {', '.join(self.known) or 'none'}")

    def facts(self) -> dict[str, object]:
        """Return the name and the known ones."""
        return {**super().facts(), "name": self.name, "known": list(self.known)}


class UnknownName(Missing):
    """An audience or destination asked for on the command line that no file declares."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        super().__init__(f"no {kind} {name!r}; declared: {', '.join(self.known) or 'none'}")

    def facts(self) -> dict[str, object]:
        """Return the name and the known ones."""
        return {**super().facts(), "kind": self.kind, "name": self.name, "known": list(self.known)}


class PayloadMismatch(Malformed):
    """A served value of ours that does not parse: the generation and the code are of different releases."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the serving entry {key!r} does not parse; run `kindred publish` with this release")


class WrongPurpose(Refused):
    """A decision asked for under another purpose than its own."""

    def __init__(self, decision: str, purpose: str, asked: str) -> None:
        self.decision, self.purpose, self.asked = decision, purpose, asked
        super().__init__(f"decision {decision!r} is made under {purpose!r}, not {asked!r}; ask under its own purpose")

    def facts(self) -> dict[str, object]:
        """Return the decision and both purposes."""
        return {**super().facts(), "decision": self.decision, "purpose": self.purpose, "asked": self.asked}
