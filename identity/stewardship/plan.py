"""What a resolution would change, as figures and as record keys: no name, no value, nothing of a person. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from identity.config import IdentityConfig, timed
from infra.ids import ProfileId, RecordKey

SIZES = ((1, "1"), (2, "2"), (3, "3"), (4, "4"), (9, "5-9"), (19, "10-19"), (49, "20-49"))
"""The classes of profile sizes, by their upper end; what is larger is the last one, `50+`."""

LARGEST = "50+"


@dataclass(frozen=True, slots=True)
class Before:
    """What stands now: profiles, how many of each size, the largest, and whom the last run held."""

    profiles: int
    largest: int
    sizes: Mapping[str, int]
    held: frozenset[ProfileId]


@dataclass(frozen=True, slots=True)
class Tie:
    """The strongest evidence between two parts, and the rule that speaks against it where one does."""

    left: RecordKey
    right: RecordKey
    bits: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One profile that would come together or fall apart: its id now, the others, its records, what decides."""

    profile_id: ProfileId
    others: tuple[ProfileId, ...]
    records: tuple[RecordKey, ...]
    tie: Tie | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change. `merges` counts profiles-to-be that unite several, `splits` profiles that would fall apart."""

    model: str
    model_before: str | None
    learnt: bool
    records: int
    candidates: int
    before: Before
    after: Before
    merges: int
    united: int
    splits: int
    created: int
    retired: int
    moved: int
    newly_held: tuple[ProfileId, ...]
    released: tuple[ProfileId, ...]
    merged_examples: tuple[Example, ...]
    split_examples: tuple[Example, ...]
    unheard: tuple[str, ...] = field(default=())
    touched: frozenset[ProfileId] = field(default=frozenset(), repr=False)
    """Today's profiles that would unite, fall apart or be given up."""

    @property
    def changed_ids(self) -> int:
        """How many profile ids would appear or be given up."""
        return self.created + self.retired

    def facts(self) -> dict[str, object]:
        """Return it all as JSON-able data."""
        held = {
            "held_before": len(self.before.held),
            "held_after": len(self.after.held),
            "newly_held": len(self.newly_held),
            "released": len(self.released),
        }
        told = asdict(self) | {"changed_ids": self.changed_ids, "held": held, "touched": len(self.touched)}
        for side in ("before", "after"):
            told[side] = {name: value for name, value in told[side].items() if name != "held"}
        return told

    def lines(self) -> Iterator[str]:
        """Yield it as text for a terminal."""
        same = "as it is" if self.model == self.model_before else f"instead of {self.model_before or 'none'}"
        yield f"{self.records:,} records, {self.candidates:,} pairs compared; model {self.model} {same}"
        yield ""
        yield f"{'':22}{'now':>12}{'then':>12}{'change':>12}"
        yield _row("profiles", self.before.profiles, self.after.profiles)
        yield _row("held", len(self.before.held), len(self.after.held))
        yield _row("largest", self.before.largest, self.after.largest)
        for name in (*(label for _, label in SIZES), LARGEST):
            yield _row(f"of {name} records", self.before.sizes.get(name, 0), self.after.sizes.get(name, 0))
        yield ""
        yield f"merges   {self.merges:,} profiles would unite {self.united:,} of today's"
        yield f"splits   {self.splits:,} of today's profiles would fall apart"
        yield f"ids      {self.created:,} would appear, {self.retired:,} would be given up and lead to their successors"
        yield f"records  {self.moved:,} would change their profile"
        yield f"held     {len(self.newly_held):,} more, {len(self.released):,} released"
        yield from _examples("would merge", self.merged_examples)
        yield from _examples("would split", self.split_examples)
        if self.unheard:
            yield ""
            yield "this rehearsal reads the records as they were last normalised, and so does not hear of:"
            yield from (f"  {what}" for what in self.unheard)


def _row(name: str, before: int, after: int) -> str:
    return f"{name:22}{before:12,}{after:12,}{after - before:+12,}"


def _examples(title: str, examples: tuple[Example, ...]) -> Iterator[str]:
    if not examples:
        return
    yield ""
    yield f"{title}, for example"
    for one in examples:
        yield f"  {one.profile_id} and {', '.join(one.others)}"
        yield f"    records {' '.join(one.records)}"
        if one.tie:
            why = f", {one.tie.why}" if one.tie.why else ""
            yield f"    tie {one.tie.left} {one.tie.right} of {one.tie.bits:+.1f} bits{why}"


def size_class(size: int) -> str:
    """Return the class of a profile's size."""
    return next((label for most, label in SIZES if size <= most), LARGEST)


def unheard(before: IdentityConfig, after: IdentityConfig) -> tuple[str, ...]:
    """Return the changes of a configuration that only a run brings to bear: those that normalise records anew.

    A value that is newly blocked is heard of; one that no longer is was left out when records were normalised.
    """
    found = []
    if before.cookies != after.cookies:
        found.append("cookies: which events belong to a login")
    for name in sorted({*before.identifiers, *after.identifiers}):
        was, now = before.identifiers.get(name), after.identifiers.get(name)
        if was is None:
            found.append(f"identifiers.{name}: a new type")
        elif now is None:
            continue
        elif was.normaliser != now.normaliser:
            found.append(f"identifiers.{name}.normaliser")
        elif set(was.blocked) - set(now.blocked):
            found.append(f"identifiers.{name}.blocked: values no longer blocked")
        if name in timed(after) and name not in timed(before):
            found.append(f"identifiers.{name}: when its values were seen; they count as seen at all times")
    return tuple(found)
