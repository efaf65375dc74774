"""IAB GPP strings: what their sections refuse. A no is heard where it can be read; no section of the States is a yes.

The layout is the IAB Tech Lab's Global Privacy Platform: a header that lists sections, then the sections. The EU's
is a TC string and read as such. The fields of the States' sections differ in length but not in how they begin.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from consent.signals.bits import Bits, Short

LONGEST: Final = 32_768
OptOut = Literal["sale", "sharing", "targeted_advertising"]

_TYPE: Final = 3
_VERSION: Final = 1
_EU: Final = 2
_USP: Final = 6
_LARGEST_SECTION: Final = 4_096
_OPTED_OUT: Final = 1
_GPC_SEGMENT: Final = 1
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]+")
_USP_TEXT: Final = re.compile(r"1[YN-]([YN-])[YN-]", re.IGNORECASE)


def _states(sale: int, *sections: int) -> Iterator[tuple[int, tuple[tuple[int, OptOut], ...]]]:
    for section in sections:
        yield section, ((sale, "sale"), (sale + 1, "targeted_advertising"))


# By section: how many fields of two bits come, after six bits, before the one that says it.
_FIELDS: Final[Mapping[int, tuple[tuple[int, OptOut], ...]]] = dict(
    [
        (7, ((6, "sale"), (7, "sharing"), (8, "targeted_advertising"))),  # the national section
        (8, ((3, "sale"), (4, "sharing"))),  # California
        *_states(3, 9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23),
        *_states(4, 11, 18),  # Utah and Iowa have one notice more
        *_states(5, 24, 25, 26, 27),  # Maryland, Indiana, Kentucky and Rhode Island begin with their agreement
    ]
)


@dataclass(frozen=True, slots=True)
class GppString:
    """What a GPP string refuses, whether it carries the browser's wish, and the TC string in it."""

    optouts: frozenset[OptOut]
    gpc: bool
    tcf: str | None


def decode(text: str) -> GppString | None:
    """Return what a GPP string says, or None where its header cannot be read or tells of other sections than there are.

    A section that cannot be read says nothing, for it could only have said no more than the others.
    """
    if len(text) > LONGEST:
        return None
    header, *told = text.split("~")
    try:
        sections = dict(zip(_listed(header), told, strict=True))
    except (Short, ValueError):
        return None
    optouts, gpc = set[OptOut](), False
    for section, said in sections.items():
        refused, wished = _read(section, said)
        optouts |= refused
        gpc = gpc or wished
    return GppString(frozenset(optouts), gpc, sections.get(_EU))


def _listed(header: str) -> list[int]:
    if not _BASE64.fullmatch(header):
        raise Short
    bits = Bits(header)
    if (bits.number(6), bits.number(6)) != (_TYPE, _VERSION):
        raise Short
    found: list[int] = []
    last = 0
    for _ in range(bits.number(12)):
        ranged = bits.flag()
        first = last + bits.fibonacci()
        last = first + bits.fibonacci() if ranged else first
        if last > _LARGEST_SECTION:
            raise Short
        found += range(first, last + 1)
    return found


def _read(section: int, said: str) -> tuple[set[OptOut], bool]:
    if section == _USP:
        usp = _USP_TEXT.fullmatch(said)
        return ({"sale"} if usp is not None and usp[1].upper() == "Y" else set()), False
    core, *segments = said.split(".")
    fields = _FIELDS.get(section)
    refused: set[OptOut] = set()
    if fields is not None and _BASE64.fullmatch(core):
        refused = {name for place, name in fields if _field(core, place) == _OPTED_OUT}
    return refused, fields is not None and any(_wish(segment) for segment in segments)


def _field(core: str, place: int) -> int | None:
    bits = Bits(core)
    try:
        bits.number(6 + 2 * place)
        return bits.number(2)
    except Short:
        return None


def _wish(segment: str) -> bool:
    if not _BASE64.fullmatch(segment):
        return False
    bits = Bits(segment)
    return bits.number(2) == _GPC_SEGMENT and bits.flag()
