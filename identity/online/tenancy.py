"""Whom a value that is given out again still ties to a record: the others of its tenancy, by the pure rule of the batch."""

from collections.abc import Iterable

from identity.config import IdentityConfig, recycled
from identity.cookies.validity import Sighting, tenancies
from identity.matching.evidence import bits
from identity.online import state
from identity.online.state import Known, Readable
from infra.ids import RecordKey, Token


class Tenancies:
    """A configuration's pauses, ready to tell the holders of a block apart."""

    def __init__(self, config: IdentityConfig) -> None:
        mask = bits(config)
        self._pauses = {mask[name]: pause for name, pause in recycled(config).items()}

    def tied(
        self, store: Readable, one: Known, bit: int, block: str, members: Iterable[RecordKey]
    ) -> tuple[Iterable[RecordKey], bool]:
        """Return who of a block's members a record shares it with, and whether it makes several tenancies one.

        What that brings back between the others is the batch's to find.
        """
        pause = self._pauses.get(bit)
        if pause is None:
            return members, False
        others = [held for key in members if key != one.record_key and (held := state.record(store, key)) is not None]
        before = [sighting for held in others for sighting in _sightings(held, block)]
        whole = tenancies([*before, *_sightings(one, block)], pause)
        mine = next((t.records for t in whole if one.record_key in t.records), frozenset())
        several = sum(bool(t.records & mine) for t in tenancies(before, pause)) > 1
        return sorted(mine - {one.record_key}), several


def _sightings(known: Known, block: str) -> list[Sighting]:
    """Return when a record carried the value of a block."""
    spans = [span for _, held, *span in known.held if held == block and span]
    return [Sighting(Token(block), known.record_key, first, last) for first, last in spans]
