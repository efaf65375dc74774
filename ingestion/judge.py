"""Raw rows before their contract: which are broken and why, what is dropped or flagged, what must not be kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from ingestion import conform
from ingestion.check import Check
from ingestion.config import Source
from ingestion.read import FAULTS

_FAULT = "struct<field:string,rule:string,value_class:string,reason:string,vital:boolean>"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one source are to be understood in one run; `columns` are those of the files, in order."""

    source: Source
    columns: tuple[str, ...]
    checks: tuple[Check, ...]
    natives: Mapping[str, str]
    zone: str
    jurisdiction: str | None
    received_at: datetime

    def day(self, name: str) -> Column | None:
        """Return a source column as the day that it means, null where it means none; None for what is no date."""
        return f.col(f"d{self.columns.index(name)}") if name in self.source.dates() else None

    def raw(self, name: str) -> Column:
        """Return a source column as it was read."""
        return f.col(f"r{self.columns.index(name)}")

    def clean(self, name: str) -> Column:
        """Return a source column trimmed, null where empty."""
        return f.col(f"c{self.columns.index(name)}")

    def value(self, name: str) -> conform.Value:
        """Return a source column trimmed and, where its type vouches for it, itself."""
        kind = self.natives.get(name, "")
        return conform.Value(self.clean(name), f.col(f"n{self.columns.index(name)}") if kind else None, kind)

    def told(self, name: str | None) -> Column:
        """Return what a mapping names: a column, a constant after `=`, or nothing."""
        if name is None:
            return f.lit(None).cast("string")
        return f.lit(name[1:]) if name.startswith("=") else self.clean(name)


def judged(frame: DataFrame, reading: Reading) -> DataFrame:
    """Return the rows with their first fault (`broken`), and with softer faults dropped or flagged in `notes`."""
    source = reading.source
    values = {c.column: reading.value(c.column) for c in reading.checks}
    faults = conform.faults(reading.checks, values, reading.zone)
    stern = {c.column for c in reading.checks if c.vital} if source.on_violation != "quarantine" else set(faults)
    soft = {name: fault for name, fault in faults.items() if name not in stern}
    broken = f.coalesce(_unreadable(), *(fault for name, fault in faults.items() if name in stern))
    marked = frame.withColumns({"broken": broken, **{f"x{index}": fault for index, fault in enumerate(soft.values())}})
    notes = [
        f.when(f.col("broken").isNull(), f.concat(f.lit(f"field {name}: "), f.col(f"x{index}.rule")))
        for index, name in enumerate(soft)
    ]
    gate = f.lower(reading.clean(source.consent_gate)) if source.consent_gate else f.lit(None).cast("string")
    made = {
        "notes": f.array_compact(f.array(*notes, f.lit(None).cast("string"))),
        "gated": f.coalesce(gate.isin("false", "no", "0", "f", "n"), f.lit(False)),
        "payload": _payload(reading),
    }
    if source.on_violation == "drop_field":
        places = {f"c{reading.columns.index(name)}": index for index, name in enumerate(soft)}
        made |= {column: f.when(f.col(f"x{index}").isNull(), f.col(column)) for column, index in places.items()}
    return marked.withColumns(made)


def _unreadable() -> Column:
    """Return the fault of a row that its reader could not take apart."""
    reasons = f.create_map(*(f.lit(word) for pair in FAULTS.items() for word in pair))
    told = f.struct(
        f.lit(None).cast("string").alias("field"),
        f.col("fault").alias("rule"),
        f.lit("row").alias("value_class"),
        reasons[f.col("fault")].alias("reason"),
        f.lit(True).alias("vital"),
    )
    return f.when(f.col("fault").isNotNull(), told).cast(_FAULT)


def _payload(reading: Reading) -> Column:
    """Return a rejected row as JSON, whole, so that it can be mended; null for the rest."""
    whole = f.to_json(f.struct(*(reading.raw(n).alias(n) for n in reading.columns)), {"ignoreNullFields": "false"})
    # Consents may turn out to contradict an earlier one only later: their rows keep the payload until then.
    wanted = f.lit(True) if reading.source.record == "consent" else f.col("broken").isNotNull()
    return f.when(wanted, f.coalesce("payload", whole))
