"""Connectors as a source's YAML declares them."""

import codecs
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

# Spellings of text inside other text: a stray byte stops them, or they read an escape into a value.
_UNSUITED = (
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "unicode-escape",
    "raw-unicode-escape",
    "utf-7",
)


class Section(BaseModel):
    """A part of a source's declaration: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# How a client of Kafka shows who it is.
Security = Literal[
    "security_protocol",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "ssl_cafile",
    "ssl_certfile",
    "ssl_keyfile",
]


def _inside(value: str) -> str:
    if not PurePosixPath(value).parts or "\0" in value:
        msg = "not a path; write where the files lie, e.g. data/crm/*.csv"
        raise ValueError(msg)
    if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
        msg = "the path leaves the workspace; write it relative to it, e.g. data/crm/*.csv"
        raise ValueError(msg)
    return value


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


# A storage's address without a word of who reads it: that is said by the environment.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/@?#:\0]+(:\d+)?(/[^@?#\0]*)?")
_OF_THIS_MACHINE = ("file", "local", "asynclocal", "root")


def _lying(value: str) -> str:
    if "://" not in value:
        return _inside(value)
    if value.partition("://")[0] in _OF_THIS_MACHINE:
        msg = "files of this machine need no address; write where they lie in the workspace, e.g. data/crm/*.csv"
        raise ValueError(msg)
    if _ADDRESS.fullmatch(value) is None:
        msg = "not an address; write s3://bucket/folder/*.csv, with no key or user in it (the environment tells them)"
        raise ValueError(msg)
    return value


Lying = Annotated[str, AfterValidator(_lying)]
Inside = Annotated[str, AfterValidator(_inside)]
# Formats whose columns are paths into an object.
TREES = ("ndjson", "json", "debezium", "log")


class Files(Section):
    """Rows that lie in files. `path` is a pattern relative to the workspace or in an object storage, or several."""

    type: Literal["files"]
    path: Annotated[tuple[Lying, ...], BeforeValidator(_listed), Field(min_length=1)]
    format: Literal["csv", "ndjson", "json", "parquet", "debezium"]
    records: str | None = Field(default=None, min_length=1)
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)

    @property
    def remote(self) -> bool:
        """Whether the files lie in an object storage and have to be brought here."""
        return "://" in self.path[0]

    def steps(self) -> tuple[str, ...]:
        """Return the way to the array of a JSON file; no steps where the file itself is the array."""
        return tuple(self.records.split(".")) if self.records else ()

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            # Codecs that are none of text (base64, rot13) and those that cannot keep a stray byte would stop a load.
            "a,b\n".encode(value or "utf-8").decode(value or "utf-8", "surrogateescape")
            suits = codecs.lookup(value or "utf-8").name not in _UNSUITED
        except (LookupError, ValueError):
            suits = False
        if not suits:
            msg = "not an encoding; use a name such as utf-8, cp1252 or utf-16"
            raise ValueError(msg)
        return value

    @field_validator("delimiter")
    @classmethod
    def _no_other_meaning(cls, value: str | None) -> str | None:
        if value in {'"', "\n", "\r", "\0"}:
            msg = "a quote or the end of a line cannot part columns; use one such as ',' or ';' or \"\\t\""
            raise ValueError(msg)
        return value

    @field_validator("path")
    @classmethod
    def _one_way(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({"://" in pattern for pattern in value}) > 1:
            msg = "some lie in the workspace and some in a storage; declare two sources"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_format(self) -> Self:
        if self.format != "csv" and (self.encoding or self.delimiter):
            msg = f"encoding and delimiter are for csv, not for {self.format} (JSON is UTF-8); leave them out"
            raise ValueError(msg)
        if self.format != "json" and self.records:
            msg = f"records tells where in a json file the array is, it is not for {self.format}; leave it out"
            raise ValueError(msg)
        return self


class Collector(Section):
    """Events that come over HTTP in Segment's format and wait in the event log."""

    type: Literal["collector"]
    format: ClassVar[Literal["log"]] = "log"


class Fetched(Section):
    """What a connector goes and gets: it lands NDJSON files, which are taken in as files.

    Another word in `again` forgets how far it came, and all is read anew.
    """

    again: str | None = None


class Python(Fetched):
    """Rows that a function of the workspace's own lands: `land(landing, options)` in a Python file."""

    type: Literal["python"]
    path: Inside
    format: Literal["ndjson", "debezium"] = "ndjson"
    options: dict[str, Any] = Field(default_factory=dict, repr=False)


class Queried(Fetched):
    """Rows of a table or query: what changed by the cursor column, or all where there is none."""

    url: SecretStr
    format: ClassVar[Literal["ndjson"]] = "ndjson"
    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    cursor: str | None = Field(default=None, min_length=1)
    split: str | None = Field(default=None, min_length=1)
    parts: int = Field(default=4, ge=1, le=32)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("it needs a `table` or a `query`, and not both")
        if self.query and ";" in self.query:
            raise ValueError("`query` is one SELECT without a semicolon; it is read as part of a larger one")
        return self


class Postgres(Queried):
    """Rows of PostgreSQL; `overlap` reads so far back again, for transactions that end late."""

    type: Literal["postgres"]
    overlap: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _back_from_something(self) -> Self:
        if self.overlap and not self.cursor:
            raise ValueError("`overlap` is for a source with a `cursor`; leave it out")
        return self


class Jdbc(Queried):
    """Rows of any system that Spark reads by JDBC, with the driver that the workspace names."""

    type: Literal["jdbc"]
    driver: str = Field(pattern=r"^[A-Za-z_][\w.$]*$")
    jar: str | None = Field(default=None, min_length=1)
    user: str | None = None
    password: SecretStr | None = None


class Delta(Fetched):
    """The changes of a Delta table that is somebody else's, from its change feed."""

    type: Literal["delta"]
    format: ClassVar[Literal["ndjson"]] = "ndjson"
    path: str = Field(min_length=1)
    storage: dict[str, SecretStr] = Field(default_factory=dict)


class Dlt(Fetched):
    """Rows of a table that a dlt pipeline wrote as files; `run` is a Python file that runs the pipeline first."""

    type: Literal["dlt"]
    format: ClassVar[Literal["ndjson"]] = "ndjson"
    path: Inside
    table: str = Field(pattern=r"^\w+$")
    run: Inside | None = None


class KafkaTopic(Fetched):
    """Messages of a topic of somebody else's; `security` is what kafka-python calls it."""

    type: Literal["kafka"]
    format: Literal["ndjson", "debezium"] = "ndjson"
    bootstrap: str = Field(min_length=1)
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    security: dict[Security, SecretStr] = Field(default_factory=dict)


Connector = Annotated[
    Files | Collector | Python | Postgres | Jdbc | Delta | Dlt | KafkaTopic, Field(discriminator="type")
]
