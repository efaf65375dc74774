"""What a purpose hears when what is served of a person has become another. Pure: what was told before, what is now.

A change is not noted where it happens. It is what is served now held against what was told last, so that it makes no
difference how often, or how late, somebody says that a person may have changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

Kind = Literal["created", "updated", "merged", "split", "consent", "erased"]
# Which kind a change is called by where purposes hear different ones: what weighs more comes first.
KINDS: Final[tuple[Kind, ...]] = ("erased", "merged", "split", "created", "consent", "updated")
_EVER: Final = datetime.min.replace(tzinfo=UTC)
# After these nobody answered for the id itself: whoever lives under it again begins anew.
ENDS: Final[frozenset[Kind]] = frozenset({"erased", "merged", "split"})
# The version of a person's view for each purpose that has one; equal views have equal versions.
State = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class News:
    """What one purpose hears: what happened, the version to be read now (None: nothing any more), who answers now."""

    kind: Kind
    version: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one person: the news for each purpose that it concerns, and the state that follows."""

    profile_id: str
    kind: Kind
    news: Mapping[str, News]
    state: State = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Last:
    """What was told of a person last: the kind of the change, the state after it, and since when."""

    kind: Kind
    state: State
    at: datetime = _EVER


@dataclass(frozen=True, slots=True)
class Now:
    """What is served under an id at this moment, and of those who answer for it where it was given up.

    `lives` says that the person themselves is there, whoever may see them; `erased` that they are being erased.
    """

    state: State = field(default_factory=dict)
    heirs: Mapping[str, State] = field(default_factory=dict)
    lives: bool = True
    erased: bool = False


def change(profile_id: str, last: Last | None, now: Now) -> Change | None:
    """Return what is to be told of a person, or None where every purpose knows it already.

    A purpose hears nothing of somebody it may not see, but once that it may not any more. Whom it cannot see among
    those who answer for a person now, it does not hear of either.
    """
    before: State = {} if last is None else last.state
    begins = last is None or last.kind in ENDS
    news = {
        purpose: told
        for purpose in sorted({*before, *now.state})
        if (told := _news(before.get(purpose), now.state.get(purpose), _heirs(now, purpose), now, begins=begins))
    }
    if not news:
        return None
    kinds = {told.kind for told in news.values()}
    return Change(profile_id, next(kind for kind in KINDS if kind in kinds), news, dict(now.state))


def _news(was: str | None, version: str | None, heirs: Sequence[str], now: Now, *, begins: bool) -> News | None:
    if was == version:
        return None
    if version is not None:
        return News("updated" if was is not None else "created" if begins else "consent", version)
    if now.erased:
        return News("erased")
    if heirs:
        return News("merged" if len(now.heirs) == 1 else "split", None, tuple(heirs))
    # Whether a purpose may not see somebody, or those who answer for them, it hears in the same word.
    return News("consent" if now.lives or now.heirs else "erased")


def _heirs(now: Now, purpose: str) -> tuple[str, ...]:
    return tuple(sorted(one for one, state in now.heirs.items() if purpose in state))
