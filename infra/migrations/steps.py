"""The steps that a database lacks, taken when it is opened.

Tables that are not there are made as this release declares them; a step is for what changes in those that are. A step
knows tables as they were when it was written, so it imports none of the packages. It finds them by name and passes over
those that this database never had.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select

from infra.errors import Unavailable

NEWEST: Final = "0003"
# As Alembic makes it; in a new database we make it ourselves, for loading Alembic takes longer than all the tables do.
_VERSION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def is_newest(connection: Connection, tables: set[str]) -> bool:
    """Say whether a database with these tables lacks no step; raise `Unavailable` where it knows more than we."""
    if _VERSION.name not in tables:
        return False
    held = connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
    if held is not None and held > NEWEST:
        raise Unavailable("the database was written by a later release of Kindred; use that release, or a backup")
    return bool(held == NEWEST)


def migrate(connection: Connection, tables: set[str]) -> None:
    """Take every step that the database lacks, in the caller's transaction; a database without tables lacks none."""
    if not tables:
        _VERSION.create(connection)
        connection.execute(insert(_VERSION).values(version_num=NEWEST))
    elif not is_newest(connection, tables):
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - loaded by the few commands that migrate
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)
