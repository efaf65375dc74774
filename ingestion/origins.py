"""Which column of a source feeds which field of which table, as the declaration says; and what the source is called.

What is told are names and types: of systems, datasets and columns. Secrets of an address stay out of its name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from infra.lineage.model import Address, Field, Given, How, Origin
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.config import RECEIVED, Source, property_name
from ingestion.connectors.declared import Collector, Delta, Files, KafkaTopic, Postgres

# A column's way into a table: the field, the column, and whether it arrives as it is.
_Way = tuple[str, str | None, How]
_AS_IT_IS: Final[How] = "IDENTITY"
_CHANGED: Final[How] = "TRANSFORMATION"


@dataclass(frozen=True, slots=True)
class Fed:
    """What feeds one table: the columns behind each field, and those that decide whether a row comes at all."""

    fields: dict[str, tuple[Origin, ...]] = field(default_factory=dict)
    conditions: tuple[Origin, ...] = ()


def addresses(source: Source, workspace: Workspace) -> tuple[Address, ...]:
    """Return what a source's datasets are called in lineage: as OpenLineage names the system, where it has a name."""
    ours = Address(f"kindred://{workspace.settings.name}", f"sources/{source.source}")
    match source.connector:
        case Files(path=patterns):
            return tuple(filter(None, (_folder(pattern, workspace) for pattern in patterns)))
        case Collector():
            found: Address | None = _log(source.source, workspace)
        case KafkaTopic(bootstrap=bootstrap, topic=topic):
            found = Address(_kafka(bootstrap), topic)
        case Postgres() as where:
            found = _postgres(where, source.source)
        case Delta(path=path):
            found = _folder(path, workspace)
        case _:
            found = None
    return (found or ours,)


def _log(source: str, workspace: Workspace) -> Address:
    log = workspace.settings.log
    if isinstance(log, KafkaSettings):
        return Address(_kafka(log.bootstrap), log.topic(source))
    return Address("file", (workspace.log_path / source).as_posix())


def _kafka(bootstrap: str) -> str:
    return f"kafka://{bootstrap.partition(',')[0].strip()}"


def _postgres(where: Postgres, source: str) -> Address | None:
    try:
        parts = urlsplit(where.url.get_secret_value())
        host, port = parts.hostname, parts.port or 5432
    except ValueError:  # a way of writing it that only the driver understands
        return None
    database = parts.path.strip("/")
    if not host or not database:
        return None
    table = where.table or f"query of {source}"
    return Address(f"postgres://{host}:{port}", f"{database}.{table if '.' in table else f'public.{table}'}")


def _folder(path: str, workspace: Workspace) -> Address | None:
    if "://" not in path:
        return Address("file", (workspace.root / path).as_posix())
    parts = urlsplit(path)
    if "@" in parts.netloc or parts.query:  # what stands there may be a secret
        return None
    return Address(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or "/")


def given(source: Source, workspace: Workspace, rows: int | None = None) -> tuple[Given, ...]:
    """Return a source's datasets with the columns that it names; the rows are told where there is but one dataset."""
    kinds = {column: rules.type for column, rules in source.contract.items()}
    fields = tuple(Field(column, kinds.get(column, "text")) for column in source.columns())
    found = addresses(source, workspace)
    return tuple(Given(address, fields, rows if len(found) == 1 else None) for address in found)


def fed(source: Source, of: tuple[Address, ...]) -> dict[str, Fed]:
    """Return for each table that a source fills what feeds its fields, by the table's name."""
    decides = dict.fromkeys((*filter(None, (source.consent_gate,)), *source.deleted, *source.contract))
    conditions = tuple(Origin(address, column, "FILTER") for column in decides for address in of)
    return {
        table: Fed(_origins(ways, of), conditions)
        for table, ways in {**_TABLES[source.record](source), **_aside(source)}.items()
    }


def _origins(ways: Iterator[_Way], of: tuple[Address, ...]) -> dict[str, tuple[Origin, ...]]:
    found: dict[str, list[Origin]] = {}
    for name, column, how in ways:
        if column and not column.startswith("="):  # a constant comes from no column
            found.setdefault(name, []).extend(Origin(address, column, how) for address in of)
    return {name: tuple(origins) for name, origins in found.items()}


def _aside(source: Source) -> Mapping[str, Iterator[_Way]]:
    def payload() -> Iterator[_Way]:
        yield from (("payload", column, _AS_IT_IS) for column in source.columns())

    def tokens() -> Iterator[_Way]:
        yield from (("token", column, _CHANGED) for column in source.key)

    return {"quarantine": payload(), "verdicts": tokens()}


def _identifiers(source: Source) -> Iterator[_Way]:
    for kind, columns in source.identifiers.items():
        yield from ((f"identifiers.{kind}", column, _CHANGED) for column in columns)


def _attributes(source: Source, *, texts: bool = True) -> Iterator[_Way]:
    yield from ((f"attributes.{name}", column, _AS_IT_IS) for name, column in source.fields.items())
    if texts:
        yield from ((f"attributes.{property_name(column)}", column, _CHANGED) for column in source.free_text)


def _person(source: Source) -> Mapping[str, Iterator[_Way]]:
    def ways() -> Iterator[_Way]:
        yield from (("key", column, _AS_IT_IS) for column in source.key)
        yield from (("record_key", column, _CHANGED) for column in source.key)
        yield ("observed_at", source.observed_at, _CHANGED)
        yield from _attributes(source)
        yield from _identifiers(source)

    return {"records": ways()}


def _event(source: Source) -> Mapping[str, Iterator[_Way]]:
    def ways() -> Iterator[_Way]:
        yield from (("message_id", column, _AS_IT_IS) for column in source.key)
        yield ("occurred_at", source.occurred_at, _CHANGED)
        yield ("received_at", RECEIVED if RECEIVED in source.columns() else None, _CHANGED)
        yield ("channel", source.channel, _AS_IT_IS)
        for part in (source.event, source.order):
            for name, column in part.model_dump().items() if part is not None else ():
                yield (name, column, _CHANGED if name in _NUMBERS else _AS_IT_IS)
        texts = set(source.free_text)
        yield from ((f"properties.{property_name(c)}", c, _AS_IT_IS) for c in source.properties if c not in texts)
        yield from ((f"properties.{property_name(column)}", column, _CHANGED) for column in source.free_text)
        yield from _identifiers(source)

    def subjects() -> Iterator[_Way]:
        yield from _attributes(source, texts=False)
        yield from _identifiers(source)

    return {"events": ways(), "records": subjects()}


def _consent(source: Source) -> Mapping[str, Iterator[_Way]]:
    def ways() -> Iterator[_Way]:
        yield from (("event_id", column, _AS_IT_IS) for column in source.key)
        yield ("occurred_at", source.occurred_at, _CHANGED)
        for columns in source.identifiers.values():
            yield from (("token", column, _CHANGED) for column in columns)
        told = source.consent.model_dump() if source.consent is not None else {}
        yield from ((name, column, _AS_IT_IS) for name, column in told.items())

    return {"consent_inbox": ways()}


def _catalogue(source: Source) -> Mapping[str, Iterator[_Way]]:
    def ways() -> Iterator[_Way]:
        yield from (("key", column, _AS_IT_IS) for column in source.key)
        yield ("observed_at", source.observed_at, _CHANGED)
        yield from _attributes(source, texts=False)

    return {"catalogue": ways()}


_NUMBERS: Final = ("quantity", "amount")
_TABLES: Final = {"person": _person, "event": _event, "consent": _consent, "catalogue": _catalogue}
