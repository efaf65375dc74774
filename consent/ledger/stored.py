"""The tiles in the database."""

from collections.abc import Iterable

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from consent.errors import TreeBroken
from consent.ledger.schema import LEDGER_TILE
from consent.ledger.tiles import Tiles


def stored(connection: Connection, wanted: Iterable[int], size: int) -> Tiles:
    """Return some tiles of the tree of a size; raise `TreeBroken` where one of them is gone."""
    names = sorted(set(wanted))
    query = select(LEDGER_TILE.c.id, LEDGER_TILE.c.hashes).where(LEDGER_TILE.c.id.in_(names))
    held = {row.id: row.hashes for row in connection.execute(query)}
    if len(held) < len(names):
        raise TreeBroken("a tile of it is gone")
    return Tiles(size, held)


def store(connection: Connection, tiles: Tiles) -> None:
    """Write the tiles that growth has touched."""
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    written = build(LEDGER_TILE)
    written = written.on_conflict_do_update(index_elements=["id"], set_={"hashes": written.excluded.hashes})
    connection.execute(written, [{"id": tile, "hashes": bytes(tiles.held[tile])} for tile in sorted(tiles.changed)])
