"""Which of an event's properties a timeline shows: what happened, and nothing that says who its person is. Pure.

A view decides about a person's fields for each purpose; a timeline is one for all purposes and knows no masks. So what
is shown as a field or an identifier, or is called as a field that some purpose does not see, stands in no details.
`profiles.transforms.timeline` says the same in Spark.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

# What an event says of its person, and not of what happened.
OF_THE_PERSON: Final = "traits."


@dataclass(frozen=True, slots=True)
class Reserved:
    """The properties of each source's events that stand for fields and identifiers, and names that are fields' own."""

    mapped: Mapping[str, frozenset[str]]
    fields: frozenset[str]

    @classmethod
    def of(cls, mapped: Mapping[str, Iterable[str]], masked: Iterable[str]) -> Self:
        """Return what is reserved by what each source maps, and by the fields that some purpose does not see whole."""
        return cls({source: frozenset(names) for source, names in mapped.items()}, frozenset(masked))

    def names(self, source: str) -> frozenset[str]:
        """Return what a source's events reserve; of one that is not declared any more, what any source does."""
        mine = self.mapped.get(source)
        return self.fields | (self.elsewhere() if mine is None else mine)

    def elsewhere(self) -> frozenset[str]:
        """Return what all sources together reserve."""
        return frozenset().union(*self.mapped.values())


def is_shown(name: str, reserved: Iterable[str]) -> bool:
    """Say whether a property is shown; one that holds what is reserved among others is not, nor is what lies in it."""
    if name.startswith(OF_THE_PERSON):
        return False
    return not any(one == name or one.startswith(f"{name}.") or name.startswith(f"{one}.") for one in reserved)
