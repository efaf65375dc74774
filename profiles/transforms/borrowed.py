"""Refusals that outlive a merge: who keeps which, and what a run's merges and splits changed of what is allowed."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from consent.borrowed import DENYING
from consent.model import GPC, OBJECTED, PARTED, RESTRICTED


def denying(ledger: DataFrame) -> DataFrame:
    """Return the words that deny, of whom the ledger still knows, with token and sid."""
    said = f.col("action").isin(*DENYING) | f.col("age_band").isNotNull()
    return ledger.where(f.col("token").isNotNull() & said).select(
        "token", "sid", "purpose", "action", "mechanism", "age_band"
    )


def held_by(tokens: DataFrame, membership: DataFrame) -> DataFrame:
    """Return (record_key, token): what the person of each record holds."""
    return membership.select("record_key", "profile_id").join(tokens, "profile_id").select("record_key", "token")


def held_before(graph: DataFrame, words: DataFrame) -> DataFrame:
    """Return (record_key, token): what the records of each record's person carried at the last build, where it denies.

    What was only probably theirs is not among it: that is no merge, and a better model may think otherwise.
    """
    records = graph.select("profile_id", f.explode("records").alias("record"))
    carried = records.select("profile_id", f.explode("record.identifiers.token").alias("token")).distinct()
    denied = carried.join(words.select("token").distinct(), "token")
    keys = records.select("profile_id", f.col("record.record_key").alias("record_key"))
    return denied.join(keys, "profile_id").select("record_key", "token")


def against_before(graph: DataFrame) -> DataFrame:
    """Return (was, token): all that was held against each person at the last build, probable links included."""
    return graph.select(f.col("profile_id").alias("was"), f.explode("tokens.token").alias("token"))


def borrowed(
    kept: DataFrame, before: DataFrame, now: DataFrame, words: DataFrame, membership: DataFrame, cleared: DataFrame,
    at: Column, batch: int,
) -> DataFrame:  # fmt: skip
    """Return (record_key, sid, until, profile_id, batch): the refusals that records keep of sids that left.

    `kept` is that of the last build, `cleared` (record_key, sid, at) what officers let go. A refusal is kept as
    it stood when the two parted; whom the ledger no longer knows, nobody keeps anything of.
    """
    sids = words.select("token", "sid").distinct()
    parted = before.join(now, ["record_key", "token"], "left_anti").join(sids, "token")
    parted = parted.select("record_key", "sid").distinct()
    new = parted.select("record_key", "sid", at.alias("until"), f.lit(batch).cast("bigint").alias("batch"))
    old = kept.join(sids.select("sid").distinct(), "sid").select("record_key", "sid", "until", "batch")
    let_go = cleared.groupBy("record_key", "sid").agg(f.max("at").alias("let_go"))
    newest = Window.partitionBy("record_key", "sid").orderBy(f.desc("until"))
    every = old.unionByName(new).withColumn("place", f.row_number().over(newest)).where("place = 1").drop("place")
    standing = every.join(let_go, ["record_key", "sid"], "left").where("let_go IS NULL OR let_go < until")
    return standing.join(membership.select("record_key", "profile_id"), "record_key").select(
        "record_key", "sid", "until", "profile_id", "batch"
    )


def holders(borrowed_: DataFrame, held: DataFrame, sids: DataFrame) -> DataFrame:
    """Return borrowed refusals as holders of the people who keep them, unless these hold the sid itself again."""
    own = held.join(sids, "token").select(f.col("group_id").alias("profile_id"), "sid").distinct()
    still = borrowed_.join(own, ["profile_id", "sid"], "left_anti")
    return still.select(
        f.col("profile_id").alias("group_id"),
        kept_as().alias("token"),
        f.lit(PARTED).alias("link"),
        f.lit(None).cast("string").alias("jurisdiction"),
        f.lit(False).alias("contact"),
    ).distinct()


def kept_as() -> Column:
    """Return the name under which a parted sid's words are held against whoever borrowed them."""
    return f.concat("sid", f.lit("|"), f.unix_micros("until").cast("string"))


def ledger(whole: DataFrame, borrowed_: DataFrame) -> DataFrame:
    """Return the ledger, and once more what bears on whoever keeps a refusal: the twin of `consent.borrowed.lent`."""
    kept = borrowed_.select("sid", "until", kept_as().alias("kept_as")).distinct()
    denies = f.col("action").isin(*DENYING) | f.col("age_band").isNotNull()
    lent = whole.join(kept, "sid").where(~denies | (f.col("received_at") <= f.col("until")))
    return whole.unionByName(lent.withColumn("token", f.col("kept_as")).select(*whole.columns))


def moved(graph: DataFrame, membership: DataFrame) -> DataFrame:
    """Return (was, profile_id, kind): the people whose records came together or apart since the last build."""
    records = graph.select(f.col("profile_id").alias("was"), f.explode("records.record_key").alias("record_key"))
    pairs = records.join(membership.select("record_key", "profile_id"), "record_key").select("was", "profile_id")
    into, out = Window.partitionBy("profile_id"), Window.partitionBy("was")
    counted = pairs.distinct().withColumns(
        {"sources": f.count("was").over(into), "ends": f.count("profile_id").over(out)}
    )
    kind = f.when(f.col("sources") > 1, "merge").otherwise("split")
    return counted.where("sources > 1 OR ends > 1").select("was", "profile_id", kind.alias("kind"))


def changes(moved_: DataFrame, before: DataFrame, now: DataFrame) -> DataFrame:
    """Return what merges and splits changed: a row for each pair of people and purpose whose answer is another."""
    old = before.select(
        f.col("profile_id").alias("was"), "purpose", f.col("allowed").alias("allowed_before"),
        f.col("reason").alias("reason_before"),
    )  # fmt: skip
    compared = moved_.join(old, "was").join(now, ["profile_id", "purpose"])
    return compared.where("allowed != allowed_before")


def blamed(changed: DataFrame, held: DataFrame, before: DataFrame, words: DataFrame) -> DataFrame:
    """Return the changes with `sids`: whose words, not held against the person before, deny the purpose now."""
    bears = (
        f.col("said").isin("all") | (f.col("said") == f.col("purpose"))
        | f.col("action").isin(OBJECTED, RESTRICTED) | (f.col("mechanism") == GPC) | f.col("age_band").isNotNull()
    )  # fmt: skip
    lost = changed.where("NOT allowed").select("was", "profile_id", "purpose").distinct()
    now = held.select(f.col("group_id").alias("profile_id"), "token").distinct()
    theirs = lost.join(now, "profile_id").join(before, ["was", "token"], "left_anti")
    guilty = theirs.join(words.withColumnRenamed("purpose", "said"), "token").where(bears)
    listed = guilty.groupBy("was", "profile_id", "purpose").agg(f.sort_array(f.collect_set("sid")).alias("sids"))
    return changed.join(listed, ["was", "profile_id", "purpose"], "left").withColumn(
        "sids", f.coalesce("sids", f.array().cast("array<string>"))
    )


def bridged(changed: DataFrame, graph: DataFrame, membership: DataFrame, edges: DataFrame) -> DataFrame:
    """Return the changes with `left_key` and `right_key`: the strongest kept edge between two people."""
    was = graph.select(f.col("profile_id").alias("was"), f.explode("records.record_key").alias("record_key"))
    placed = membership.select("record_key", "profile_id").join(was, "record_key", "left")
    side = placed.join(changed.select("profile_id").distinct(), "profile_id")
    left, right = (
        side.select(f.col("record_key").alias(f"{name}_key"), f.col("profile_id").alias(f"{name}_id"),
                    f.col("was").alias(f"{name}_was"))
        for name in ("left", "right")
    )  # fmt: skip
    kept = edges.where("state = 'kept'").select("left_key", "right_key", "weight_micro")
    across = kept.join(left, "left_key").join(right, "right_key").where("left_id = right_id")
    parted = across.where("coalesce(left_was, '') != coalesce(right_was, '')")
    ends = f.explode(f.array_distinct(f.array("left_was", "right_was")))
    strength = f.struct("weight_micro", "left_key", "right_key")
    best = (
        parted.select(f.col("left_id").alias("profile_id"), ends.alias("was"), strength.alias("edge"))
        .groupBy("profile_id", "was")
        .agg(f.max("edge").alias("edge"))
    )
    joined = changed.join(best, ["profile_id", "was"], "left")
    return joined.withColumns({name: f.col(f"edge.{name}") for name in ("left_key", "right_key")}).drop("edge")
