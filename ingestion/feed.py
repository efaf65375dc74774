"""The shell of ingestion: all fresh rows of all sources are judged in one pass, then written and accounted for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from time import monotonic
from typing import Final

from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import StringType, StructField, StructType

from consent.tables import CONSENT_INBOX
from infra.full import disk_failure
from infra.runtime import Runtime
from infra.tables import Table
from infra.together import together
from ingestion import facts
from ingestion.aged import gone_before, too_old
from ingestion.connectors.streamed import landed_rows
from ingestion.drift import reference
from ingestion.drift.gate import Gate
from ingestion.errors import BooksDoNotBalance, SourceUnreadable, TablesDoNotBalance
from ingestion.flow import SEEN, Flow, Seen, gaps, moment, owed
from ingestion.gained import Gains, gained
from ingestion.intake import Intake
from ingestion.model import COUNTS, REJECTED, Account, Note
from ingestion.periods import Periods
from ingestion.pii import Screen
from ingestion.renewed import renewed
from ingestion.rows import raw_rows
from ingestion.subjects import subject_versions, subjects
from ingestion.tables import CATALOGUE, EVENTS, LET_GO, QUARANTINE, RECORDS, REPEATED, VERDICTS
from ingestion.transforms import content_hash, current_records, settled, understood
from ingestion.versions import exceptions, fresh_lines, known_lines, near, rejected_lines, shared_slots, verdicts
from ingestion.windows import repeated, unheard

# A join side with fewer rows than this is sent to every task; above, both sides are sorted.
_SMALL: Final = 200_000
# With fewer fresh rows than this their keys go to where what is known lies; the driver holds them meanwhile.
_FEW: Final = 20_000
PART: Final = "ingest"


class Feed:
    """The fresh files of a run's sources, on their way into the lake."""

    def __init__(self, runtime: Runtime, intakes: Sequence[Intake], gate: Gate | None = None) -> None:
        self._runtime, self._lake, self._gate = runtime, runtime.lake, gate
        stopped = gate.stopped if gate else ()
        self._intakes = [one for one in intakes if one.taken.fresh and one.source.source not in stopped]
        self._periods = intakes[0].periods if intakes else Periods()
        self._persisted: list[DataFrame] = []
        self._stamp = facts.Stamp(runtime.run.number, runtime.run.started_at, runtime.run.salt)
        self._seen: dict[str, Seen] = {}
        self._noted = 0
        self.flows: tuple[Flow, ...] = ()

    def take_in(self) -> tuple[tuple[Account, ...], tuple[Note, ...]]:
        """Judge every row, write what is new, and return the accounts and notes; `flows` then tell the rest.

        Raise before writing if an account is off, and after it if a table gained other rows than the accounts say.
        """
        if not self._intakes:
            return (), ()
        began = monotonic()
        with self._reading():
            rows = self._kept(self._remembered(self._rows()))
            judged, accounts = self._told_apart(rows)
            self._say("judged", accounts, began)
            newest = {name: at for name, seen in self._seen.items() if (at := moment(seen.told))}
            stopped = self._gate.judge(accounts, newest) if self._gate else frozenset[str]()
            if stopped:  # what refers to their rows refers to nothing, so the rest is judged without them
                self._intakes = [one for one in self._intakes if one.source.source not in stopped]
                if not self._intakes:
                    return (), ()
                judged, accounts = self._told_apart(rows.where(~f.col("source").isin(*stopped)))
            notes = _notes(judged) if self._noted else ()
            self._write(judged)
            gains = gained(self._lake, PART)
            self.flows = tuple(self._flow(intake, accounts, gains) for intake in self._intakes)
            self._say("taken in", accounts, began)
        return accounts, notes

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Tell what Spark could not read in our words, and keep no frame longer."""
        try:
            yield
        except PySparkException as error:
            # Spark's own sentence may quote a value; its condition cannot.
            names = tuple(intake.source.source for intake in self._intakes)
            unreadable = SourceUnreadable(names, str(error.getCondition() or type(error).__name__))
            raise disk_failure(error) or unreadable from None
        finally:
            for frame in self._persisted:
                frame.unpersist()

    def _told_apart(self, read: DataFrame) -> tuple[DataFrame, tuple[Account, ...]]:
        """Return rows with their verdicts, and the accounts of their files."""
        rows = self._referred(read)
        judged = self._judged(rows, self._keep(self._exceptions(rows)))
        return judged, self._accounts(judged)

    def _kept(self, frame: DataFrame) -> DataFrame:
        self._persisted.append(frame.persist(StorageLevel.MEMORY_AND_DISK))
        return frame

    def _keep(self, frame: DataFrame) -> DataFrame:
        """Return the frame kept, and marked to be sent to every task if it is small enough."""
        return f.broadcast(frame) if self._kept(frame).limit(_SMALL).count() < _SMALL else frame

    def _say(self, what: str, accounts: Sequence[Account], began: float) -> None:
        rows, seconds = sum(account.read for account in accounts), monotonic() - began
        self._runtime.say(f"{what}: {rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")

    def _rows(self) -> DataFrame:
        """Return the fresh rows of all sources understood, identified and screened, each touched once."""
        frames = [self._source_rows(intake) for intake in self._intakes]
        return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)

    def _source_rows(self, intake: Intake) -> DataFrame:
        rows = settled(_screened(understood(self._raw(intake), intake.reading), intake.screen), intake.source)
        return too_old(rows, intake.source.record, intake.periods, self._stamp.received_at)

    def _remembered(self, rows: DataFrame) -> DataFrame:
        """Return the rows with those marked that retention let go before."""
        if not self._periods.remembered:
            return rows
        secret = self._lake.spark.createDataFrame([(self._periods.secret,)], "secret string")
        keys = [known.select("source", f.col(key).alias("key")) for known, key, _ in self._known()]
        return gone_before(rows, self._mine(LET_GO), reduce(DataFrame.unionByName, keys), secret)

    def _referred(self, rows: DataFrame) -> DataFrame:
        """Return the rows with those rejected or flagged that refer to keys which nobody has."""
        targets = reference.referred([intake.source for intake in self._intakes])
        if not targets:
            return rows
        known = reference.known(self._referable, targets)
        lost = reference.missing(rows, known, self._keep)
        kinds = sorted({intake.source.record for intake in self._intakes})
        return reference.settled(rows, lost, {kind: content_hash(kind) for kind in kinds})

    def _referable(self, table: Table) -> DataFrame:
        """Return a table with the keys that rows may refer to."""
        return self._lake.read_base(table)

    def _raw(self, intake: Intake) -> DataFrame:
        root, fresh = self._runtime.workspace.root, intake.taken.fresh
        if intake.landed:
            return landed_rows(self._lake, intake.source.source, fresh, intake.reading.columns, intake.naming)
        return raw_rows(self._lake.spark, root, intake.reading, fresh, intake.naming, self._keep)

    def _mine(self, table: Table) -> DataFrame:
        names = [intake.source.source for intake in self._intakes]
        return self._lake.read_base(table).where(f.col("source").isin(names))

    def _exceptions(self, rows: DataFrame) -> DataFrame:
        """Return the fresh rows that are not simply new."""
        lines = self._lines(rows)
        return exceptions(lines, self._keep(shared_slots(lines)))

    def _lines(self, rows: DataFrame) -> DataFrame:
        """Return the fresh rows and all that they could repeat, narrowed to what tells."""
        dated = [i.source.source for i in self._intakes if i.source.observed_at or i.source.occurred_at]
        known = (known_lines(table, key, at, dated) for table, key, at in self._known())
        before = reduce(DataFrame.unionByName, (rejected_lines(self._mine(QUARANTINE)), *known))
        fresh = fresh_lines(rows)
        return fresh.unionByName(near(before, fresh) if self._is_small() else before)

    def _is_small(self) -> bool:
        """Say whether so few rows are fresh that they go to where what is known lies, and not the other way round."""
        return sum(file.units for intake in self._intakes for file in intake.taken.fresh) < _FEW

    def _known(self) -> Iterator[tuple[DataFrame, str, str]]:
        """Yield what the lake has of each kind at hand, with the columns that are a row's key and its moment."""
        kinds = {intake.source.record for intake in self._intakes}
        if "person" in kinds:
            yield self._mine(RECORDS).where("kind = 'person'"), "key", "observed_at"
        if "event" in kinds:
            events = self._mine(EVENTS).withColumn("sequence", f.col("version")).drop("record_key")
            yield events, "message_id", "occurred_at"
        if "catalogue" in kinds:
            yield self._mine(CATALOGUE), "key", "observed_at"
        if "consent" in kinds:
            inbox = facts.inbox_content(self._mine(CONSENT_INBOX))
            yield inbox.withColumn("content_hash", content_hash("consent")), "event_id", "at"

    def _judged(self, rows: DataFrame, found: DataFrame) -> DataFrame:
        judged = self._once_said(self._renewed(verdicts(rows, found)))
        if all(intake.source.record != "consent" for intake in self._intakes):
            return judged
        return facts.contradictions(judged, self._keep(self._mine(QUARANTINE).where("rule = 'immutable'")))

    def _renewed(self, judged: DataFrame) -> DataFrame:
        """Return the rows with those as new versions that come when the window of their key is over."""
        told = {i.source.source: i.source.duplicates.memory for i in self._intakes}
        windows = {name: width for name, width in told.items() if width is not None}
        return renewed(judged, self._mine(EVENTS), windows, self._stamp.received_at, self._keep) if windows else judged

    def _once_said(self, judged: DataFrame) -> DataFrame:
        """Return the rows with those as duplicates that say within a window what `first` had said."""
        told = {i.source.source: i.source.duplicates.window for i in self._intakes}
        windows = {name: width for name, width in told.items() if width is not None}
        if not windows:
            return judged.withColumn("first", f.lit(None).cast("string"))
        mine = f.col("source").isin(list(windows))
        heard = unheard(judged, self._mine(REPEATED).where(mine), self._stamp.received_at)
        again = self._keep(repeated(heard, self._mine(EVENTS).where(mine), windows))
        joined = heard.join(again, ["source", "file", "position"], "left")
        verdict = f.when(f.col("first").isNotNull(), "duplicate").otherwise(f.col("verdict"))
        return joined.withColumn("verdict", verdict)

    def _accounts(self, judged: DataFrame) -> tuple[Account, ...]:
        """Return the fate of every row, file by file; raise where a line of a file has no verdict."""
        names = COUNTS[1:2] + COUNTS[3:]
        # What is told of the future, by a wrong clock, makes nothing fresh.
        told = f.col("dated") & (f.col("verdict") == "accepted") & (f.col("at") <= self._stamp.received)
        self._seen = {}
        counted = judged.groupBy("source", "file").agg(
            f.count("*").alias("read"),
            f.sum("lines").alias("lines"),
            f.count_if("changed").alias("changed"),
            *(f.count_if(f.col("verdict") == name).alias(name) for name in names),
            f.count_if(self._enters_quarantine()).alias("rejected"),
            f.count_if(self._enters_verdicts()).alias("untold"),
            f.unix_micros(f.max(f.coalesce("received", self._stamp.received))).alias("arrived"),
            f.unix_micros(f.max(f.when(told, f.col("at")))).alias("told"),
            f.count_if(f.size(f.concat("notes", "dropped")) > 0).alias("noted"),
        )
        found = {(row["source"], row["file"]): row.asDict() for row in counted.collect()}
        self._noted = sum(counts.pop("noted") for counts in found.values())
        accounts = []
        for intake in self._intakes:
            for file in intake.taken.fresh:
                counts = found.get((intake.source.source, file.path), {"lines": 0})
                lines = counts.pop("lines")
                seen = Seen(**{name: counts.pop(name) for name in SEEN if name in counts})
                self._seen[intake.source.source] = self._seen.get(intake.source.source, Seen()) + seen
                account = Account(**{"source": intake.source.source, "file": file.path, **counts})
                for expected, met, unit in ((file.units, lines, "lines"), (account.read, account.judged, "rows")):
                    if expected != met:
                        raise BooksDoNotBalance(account.source, account.file, expected, met, unit)
                accounts.append(account)
        return tuple(accounts)

    def _write(self, judged: DataFrame) -> None:
        """Append what is new. Events come last: should this run be given up midway, the next finds them new."""
        stamp = self._stamp
        kinds = {intake.source.record for intake in self._intakes}
        known = self._known_subjects(judged)
        first = {QUARANTINE: self._rejected(judged)}
        if any(intake.naming.told for intake in self._intakes):  # elsewhere every verdict has a row to tell it
            first[VERDICTS] = self._untold(judged)
        if kinds & {"person", "event"}:
            first[RECORDS] = facts.records(judged, self._grown(judged, known), stamp)
        if "catalogue" in kinds:
            first[CATALOGUE] = facts.catalogue(judged, stamp)
        if "consent" in kinds:
            first[CONSENT_INBOX] = facts.consents(judged, stamp)
        # None waits for another, and one is planned and committed while the other is written.
        together(*(partial(self._put, table, frame) for table, frame in first.items()))
        if "event" in kinds:
            keys = known.select("source", f.col("key").alias("subject"), f.col("record_key").alias("subject_key"))
            self._put(EVENTS, facts.events(judged, self._keep(keys), stamp))
        if any(intake.source.duplicates.window for intake in self._intakes):
            self._put(REPEATED, self._repeated(judged))  # what is repeated is there by now

    def _put(self, table: Table, frame: DataFrame) -> None:
        self._lake.append(table, frame, PART)

    def _grown(self, judged: DataFrame, known: DataFrame) -> DataFrame:
        return subject_versions(subjects(judged), known, self._stamp.salt)

    def _known_subjects(self, judged: DataFrame) -> DataFrame:
        known = self._mine(RECORDS).where("kind = 'subject'")
        if self._is_small():
            wanted = judged.where("record = 'event'").select("source", f.col("subject").alias("key")).distinct()
            known = known.join(f.broadcast(wanted), ["source", "key"], "left_semi")
        return current_records(known)

    def _rejected(self, judged: DataFrame) -> DataFrame:
        return facts.rejected(judged, self._stamp)

    def _enters_quarantine(self) -> Column:
        """Say of judged rows whether `_rejected` writes them."""
        return f.col("verdict") == "quarantined"

    def _flow(self, intake: Intake, accounts: Sequence[Account], gains: Gains) -> Flow:
        """Return what became of a source's rows, up to the tables; raise where one gained others than were due."""
        name, seen = intake.source.source, self._seen[intake.source.source]
        total = reduce(Account.__add__, (account for account in accounts if account.source == name))
        for gap in gaps(name, owed(intake.source.record, total, seen), gains.get(name, {})):
            raise TablesDoNotBalance(gap.source, gap.table, gap.owed, gap.gained)
        surveyed = sum(file.units for file in intake.taken.fresh)
        return Flow(name, surveyed, total.read, gains.get(name, {}), moment(seen.arrived), moment(seen.told))

    def _repeated(self, judged: DataFrame) -> DataFrame:
        return facts.repeated(judged, self._stamp)

    def _untold(self, judged: DataFrame) -> DataFrame:
        return facts.untold(judged.where(self._enters_verdicts()), self._stamp)

    def _enters_verdicts(self) -> Column:
        """Say of judged rows whether `_untold` writes a verdict of theirs."""
        return facts.is_untold()


def _notes(judged: DataFrame) -> tuple[Note, ...]:
    noted = judged.where("verdict in ('accepted', 'quarantined')")
    told = noted.select("source", "verdict", f.explode(f.concat("notes", "dropped")).alias("note"))
    # Of a rejected row only that is told which its tracking plan rejected it for.
    told = told.where((f.col("verdict") == "accepted") | f.col("note").endswith(REJECTED))
    rows = told.groupBy("source", "note").count().collect()
    parts = [(row["source"], *row["note"].partition(": "), row["count"]) for row in rows]
    return tuple(Note(source, item, note, count) for source, item, _, note, count in sorted(parts))


def _screened(frame: DataFrame, screen: Screen | None) -> DataFrame:
    """Return the frame with its free text screened, in one pass through Python if there is any."""
    if screen is None:
        return frame
    found = [StructField(f"f{index}", StringType()) for index in range(len(screen.columns))]
    return frame.mapInArrow(screen.screened, StructType([*frame.schema.fields, *found]))
