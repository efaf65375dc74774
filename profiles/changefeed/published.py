"""Telling what a publication changed: of those who may have changed, where what it began from was told whole."""

from collections.abc import Iterable, Iterator

from infra.ids import Token
from infra.serving.store import UNDO, ServingStore
from profiles.changefeed.teller import Seen, Teller
from profiles.serving import alias_key, header_key, view_key
from profiles.start import Start


def tell_publication(teller: Teller, name: str, start: Start | None) -> int:
    """Tell what a generation that was just served changed, and return how many changes that were.

    It counts as told whole when `settle` says so: what the publication has the overlay forget comes after.
    """
    since, told = teller.served_since(name), teller.told()
    if told == name:
        return 0
    if start is None or told != start.base:
        return teller.tell_all(since)
    return teller.tell(touched(teller.generations, name, start), since)


def holders(reader: Seen, tokens: Iterable[Token]) -> Iterator[str]:
    """Yield whom tokens lead to in the served generation."""
    for token in tokens:
        yield from reader.candidates(token)


def touched(generations: ServingStore, name: str, start: Start) -> Iterator[str]:
    """Yield who may have changed between a generation and the one that it began from; some of them have not.

    What was changed live in the one before is undone in the new one, and what was brought into the new one before it
    was served is kept for undoing there.
    """
    for part in ("views", "profiles", "aliases"):
        difference = start.differences.get(part)
        for rows in () if difference is None else (difference.changed, difference.gone):
            column = "alias_id" if part == "aliases" else "profile_id"
            yield from rows.column(column).to_pylist()
    for one in (start.base, name):
        yield from changed_live(generations, one)


def changed_live(generations: ServingStore, name: str) -> Iterator[str]:
    """Yield who was changed in a generation since it was built."""
    store_of = generations.reader(name)
    for prefix in (header_key(""), view_key("", "")[:2], alias_key("", "")[:2]):
        for kept, _ in store_of.items(UNDO + prefix):
            key = kept[len(UNDO) :].decode()
            yield key.split("|")[1] if key.startswith("a|") else key.rpartition("|")[2]
