"""The resolver's answers to a piece of the log, as they are put down before they are acted upon."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from infra.ids import ProfileId, RecordKey
from infra.log.tail import Place


@dataclass(frozen=True, slots=True)
class Told:
    """Who an event is of: its record, that record's profile, and the profiles of nobody that came along."""

    record_key: RecordKey
    profile_id: ProfileId
    joined: tuple[ProfileId, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """A piece of a part of the log that was answered: from where to where, and in whose turn after the others."""

    part: str
    turn: int
    begin: Place | None
    end: Place

    @classmethod
    def read(cls, part: str, line: bytes) -> "Begun":
        """Return what the answers put down for a part are to, without reading them."""
        turn, begin, end = orjson.loads(line.partition(b"\n")[0])
        return cls(part, turn, None if begin is None else Place(*begin), Place(*end))


@dataclass(frozen=True, slots=True)
class Answers:
    """The resolver's answers to the events of a piece; none to an event that is not served."""

    to: Begun
    told: Mapping[tuple[int, int], Told]

    def line(self) -> bytes:
        """Return them as they are put down."""
        begin = None if self.to.begin is None else [self.to.begin.segment, self.to.begin.at]
        told = [[*place, one.record_key, one.profile_id, one.joined] for place, one in self.told.items()]
        head: list[Any] = [self.to.turn, begin, [self.to.end.segment, self.to.end.at]]
        return orjson.dumps(head) + b"\n" + orjson.dumps(told)

    @classmethod
    def read(cls, part: str, line: bytes) -> "Answers":
        """Return what `line` put down."""
        told = orjson.loads(line.partition(b"\n")[2])
        answers = {(one[0], one[1]): Told(one[2], one[3], tuple(one[4])) for one in told}
        return cls(Begun.read(part, line), answers)
