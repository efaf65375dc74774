"""`profiles.yaml`: whom to believe for each field, which traits to compute, how much of the past to show."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.workspace import Workspace
from profiles.model import Rule

TraitKind = Literal[
    "first_seen",
    "last_seen",
    "event_count",
    "order_count",
    "order_total",
    "item_count",
    "average_order",
    "first_order",
    "last_order",
    "days_since_order",
    "recency_score",
    "frequency_score",
    "monetary_score",
    "rfm",
    "favourites",
    "preferred_channel",
    "session_count",
    "session_start",
    "session_end",
]
ValueKind = Literal["whole", "money", "time", "text", "list"]

WINDOWED: frozenset[str] = frozenset(
    {"event_count", "order_count", "order_total", "item_count", "average_order", "session_count"}
)
SESSIONS: frozenset[str] = frozenset({"session_count", "session_start", "session_end"})
VALUE_KINDS: dict[str, ValueKind] = {
    "first_seen": "time",
    "last_seen": "time",
    "event_count": "whole",
    "order_count": "whole",
    "order_total": "money",
    "item_count": "whole",
    "average_order": "money",
    "first_order": "time",
    "last_order": "time",
    "days_since_order": "whole",
    "recency_score": "whole",
    "frequency_score": "whole",
    "monetary_score": "whole",
    "rfm": "text",
    "favourites": "list",
    "preferred_channel": "text",
    "session_count": "whole",
    "session_start": "time",
    "session_end": "time",
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _without_repeats(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    if not rules:
        raise ValueError("an empty list of rules; name at least one of most_trusted, most_recent, ...")
    if len(set(rules)) < len(rules):
        raise ValueError("a rule is named twice; name each once, in the order in which they decide")
    return rules


class Survivorship(_Section):
    """Whom to believe. Fields named in `together` survive as one value, so that no address is ever a mixture."""

    default: tuple[Rule, ...] = ("most_trusted", "most_recent", "most_frequent", "longest")
    fields: dict[str, tuple[Rule, ...]] = {}
    together: dict[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "Survivorship":
        for rules in (self.default, *self.fields.values()):
            _without_repeats(rules)
        grouped = [field for fields in self.together.values() for field in fields]
        if len(set(grouped)) < len(grouped):
            raise ValueError("a field stands in two groups of `together`; put it in one")
        for name in sorted(set(grouped) & set(self.fields)):
            raise ValueError(f"{name} belongs to a group of `together`; give the rules to the group's name")
        return self

    def rules(self, field: str) -> tuple[Rule, ...]:
        """Return the rules of a field, or of a group, in the order in which they decide."""
        return self.fields.get(field, self.default)


class Trait(_Section):
    """One computed fact about a person, recomputed from events whenever it is built."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    compute: TraitKind
    window_days: int | None = Field(default=None, ge=1, description="counted back from as_of; all time without it")
    of: str | None = Field(default=None, description="favourites: the catalogue attribute that names the group")
    take: int = Field(default=3, ge=1, le=20, description="favourites: how many")

    @model_validator(mode="after")
    def _fits(self) -> "Trait":
        if self.window_days is not None and self.compute not in WINDOWED:
            raise ValueError(f"{self.compute} has no window; windows go with {', '.join(sorted(WINDOWED))}")
        if (self.compute == "favourites") != (self.of is not None):
            raise ValueError("`of` names the catalogue attribute of favourites, and goes with nothing else")
        return self

    @property
    def value_kind(self) -> ValueKind:
        """What the text of its value stands for."""
        return VALUE_KINDS[self.compute]


class Timeline(_Section):
    """How much of the past a profile shows."""

    length: int = Field(default=50, ge=1, le=1_000)
    lines: int = Field(default=3, ge=0, le=50, description="dearest lines of an order; all are counted")


class Sessions(_Section):
    """What belongs to one visit."""

    gap_minutes: int = Field(default=30, ge=1, le=1_440, description="a longer pause begins another session")

    @property
    def gap(self) -> timedelta:
        """The longest pause within a session."""
        return timedelta(minutes=self.gap_minutes)


class Catalogue(_Section):
    """Which catalogue says what was bought."""

    source: str = "products"
    label: tuple[str, ...] = Field(default=("name", "product_type", "category"), description="first that is there")


class Links(_Section):
    """How far a word travels: a grant over certain links only, a refusal over every probable one."""

    certain_above_bits: float = Field(
        default=10.0, description="weight at which a household's phone or card, and a name that agrees, are proof"
    )
    probable_above_bits: float = Field(
        default=0.0, description="weight above which another person's record counts as probably the same person's"
    )


class ProfileSettings(_Section):
    """The whole file."""

    survivorship: Survivorship = Survivorship()
    as_of: Literal["newest_event", "run"] = "newest_event"
    traits: tuple[Trait, ...] = ()
    timeline: Timeline = Timeline()
    sessions: Sessions = Sessions()
    catalogue: Catalogue = Catalogue()
    links: Links = Links()

    @model_validator(mode="after")
    def _names_differ(self) -> "ProfileSettings":
        names = [trait.name for trait in self.traits]
        for name in sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"two traits are called {name}; rename one")
        return self

    def favourites(self) -> dict[str, int]:
        """Return the catalogue attributes that group what was bought, and how many of each to keep."""
        groups = [(t.of, t.take) for t in self.traits if t.of is not None]
        return {group: max(take for other, take in groups if other == group) for group, _ in groups}

    def windows(self) -> tuple[int, ...]:
        """Return the windows that some trait asks for, shortest first."""
        return tuple(sorted({t.window_days for t in self.traits if t.window_days is not None}))


def load_settings(workspace: Workspace) -> ProfileSettings:
    """Return the workspace's `profiles.yaml`; raise `ConfigurationError` with file and line."""
    return workspace.load("profiles.yaml", ProfileSettings)
