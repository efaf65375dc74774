"""What the values of a column vote for: which kinds of personal data it holds, how surely, and why. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from consent.discovery.column import FEWEST, Column, Recogniser, Vote, surely
from consent.discovery.kinds import FREE_TEXT, OUTRIGHT, named_for, named_for_things
from consent.discovery.numbers import accounts, addresses, codes, machines, national_numbers, places
from consent.discovery.persons import births, homes, mailboxes, names, telephones

# From here on a column counts as personal, and from there on as surely so.
PERSONAL: Final = 0.5
SURE: Final = 0.8
# Values that tell by themselves need no majority: a column of logins, of which some are addresses, holds addresses.
_SOME: Final = 0.6
_SOME_SHARE: Final = 0.01
_TEXTS: Final = 200
_WORD: Final = re.compile(r"[^\W\d_]{2}")
# What a hit in running text is worth by kind; numbers in prose are often no telephone numbers.
_IN_TEXT: Final[Mapping[str, float]] = {"PHONE_NUMBER": 0.75, "IP_ADDRESS": 0.7, "US_SSN": 0.8}

# The kinds found in a text; where it ends within a text does not matter here.
Reader = Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of personal data in a column: how surely, in how many of how many values, and why it is thought so."""

    column: str
    kind: str
    confidence: float
    hits: int
    sampled: int
    reason: str

    @property
    def sure(self) -> bool:
        """Whether something may be done about single values on the strength of this finding."""
        return self.confidence >= SURE


def discovered(
    column: Column, *, region: str, today: date, reader: Reader, patient: Callable[[], bool] = lambda: True
) -> tuple[Finding, ...]:
    """Return the kinds of personal data that a column's values vote for, the surest first.

    `reader` tells which kinds a running text holds; it is the costly part, so texts are few, and none is read once
    `patient` says no.
    """
    if column.filled == 0:
        return ()
    found: dict[str, Finding] = {}
    votes = [vote for recogniser in _recognisers(region, today) for vote in recogniser(column)]
    for vote in votes:
        finding = _weighed(column, vote)
        if finding and finding.confidence > _confidence(found.get(finding.kind)):
            found[finding.kind] = finding
    plain = {vote.kind for vote in votes if vote.plain and vote.hits >= FEWEST}
    ranked = sorted(found.values(), key=lambda one: (-one.confidence, one.kind))
    kept = [one for place, one in enumerate(ranked) if place == 0 or (one.kind in plain and one.hits < column.filled)]
    kept += _in_texts(column, reader, patient) if not any(one.hits * 2 > column.filled for one in kept) else []
    return tuple(one for one in kept if one.confidence >= PERSONAL)


def _recognisers(region: str, today: date) -> Sequence[Recogniser]:
    return (
        *(mailboxes, partial(telephones, region=region), partial(births, today=today), names, homes),
        *(accounts, national_numbers, addresses, places, machines, codes),
    )


def _confidence(finding: Finding | None) -> float:
    return finding.confidence if finding else 0.0


def _weighed(column: Column, vote: Vote) -> Finding | None:
    """Return a vote as a finding, or None where it is too weak to be one.

    The share of hits that can be counted on, less what chance brings, times what the recogniser is worth. The
    column's name then makes the half sure surer; alone it says nothing.
    """
    if vote.hits < FEWEST or vote.distinct < 2:
        return None
    speaks = named_for(column.name)
    hint = speaks.get(vote.kind, 0.0)
    share = (surely(vote.hits, column.filled) - vote.chance) / (1 - vote.chance)
    weight = vote.precision * max(0.0, share)
    if vote.leaning and (hint == 0.0 or vote.hits * 5 < column.filled * 4):
        return None
    if not vote.plain and named_for_things(column.name):
        weight /= 2
    elif not vote.plain and hint == 0.0 and OUTRIGHT in speaks.values():
        weight /= 2  # it calls itself something else
    if hint and vote.hits * 2 >= column.filled:
        weight = 1 - (1 - weight) * (1 - hint)
    if vote.plain and vote.hits >= column.filled * _SOME_SHARE:
        weight = max(weight, _SOME)
    told = f"{vote.hits:,} of {column.filled:,} sampled values are {vote.told}"
    if hint:
        told += ", and the column is called so"
    return Finding(column.name, vote.kind, round(min(weight, 0.999), 3), vote.hits, column.filled, told)


def _in_texts(column: Column, reader: Reader, patient: Callable[[], bool]) -> list[Finding]:
    """Return what running text holds. A share says nothing here: one remark in a hundred is one too many."""
    texts = sorted(filter(_is_prose, column.values), key=len, reverse=True)
    if sum(column.values[text] for text in texts) * 5 < column.filled:
        return []
    read, hits, worth, kinds = 0, 0, 0.0, dict[str, int]()
    for text in texts[:_TEXTS]:
        if not patient():
            break
        read += 1
        found = tuple(dict.fromkeys(reader(text)))
        hits += bool(found)
        for kind in found:
            kinds[kind] = kinds.get(kind, 0) + 1
    if hits < FEWEST:
        return []
    worth = max(_IN_TEXT.get(kind, 0.95) * min(1.0, count / 5) for kind, count in kinds.items())
    listed = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
    told = f"of {read:,} texts read, {hits:,} hold personal data: {listed}"
    return [Finding(column.name, FREE_TEXT, round(worth, 3), hits, read, told)]


def _is_prose(value: str) -> bool:
    """Say whether a value is running text: three words, half of them of letters; a list of numbers is none."""
    words = value.split()
    return len(words) >= 3 and sum(1 for word in words if _WORD.search(word)) * 2 >= len(words)
