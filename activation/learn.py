"""One round of learning: baskets in, products with their company, habits, campaigns and their quality out."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from activation import feed
from activation.declarations import Decision
from activation.tables import CAMPAIGNS, HABITS, ITEM_PAIRS, ITEMS, QUALITY
from activation.transforms import audience as people
from activation.transforms import baskets, measure
from activation.transforms.campaigns import campaigns
from infra.runtime import Runtime

_LINE = ("basket", "product_id", "occurred_at", "amount", "profile_id")


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is learned from: all lines that training may use, those that personalization may, and the catalogue."""

    training: DataFrame
    counted: DataFrame
    personal: DataFrame
    products: DataFrame
    redemptions: DataFrame


def learn(runtime: Runtime, decision: Decision, as_of: datetime) -> dict[str, object]:
    """Write the tables of recommendations and campaigns, and return the measured quality.

    Training is statistics about products and runs under `training_purpose` (analytics in the shipped policy), on
    the baskets of people who allow it and on those that nobody can be tied to. What is about a person (habits,
    likes) comes from their personalization alone, and quality is measured on their baskets.
    """
    lake, settings = runtime.lake, decision.recommendations
    cutoff = as_of - settings.held_back
    with _ground(runtime, decision) as ground, ExitStack() as held:
        items = _kept(held, baskets.items(ground.training, ground.products, settings, cutoff))
        lake.overwrite(ITEM_PAIRS, baskets.pairs(ground.training, items, settings, cutoff))
        runtime.say("recommend: pairs of products counted")
        pairs = lake.read(ITEM_PAIRS)
        lake.overwrite(ITEMS, baskets.published(items, baskets.neighbours(pairs, items, settings), settings))
        after = as_of + timedelta(microseconds=1)
        likes = baskets.likes(ground.personal, ground.products, settings)
        lake.overwrite(HABITS, baskets.remembered(baskets.habits(ground.personal, settings, after), likes))
        runtime.say("recommend: neighbours and habits written")
        offers = feed.catalogue(lake, decision.campaigns.source)
        table = campaigns(offers, ground.products, ground.redemptions, ground.counted, decision.campaigns, settings)
        lake.overwrite(CAMPAIGNS, table)
        test = _kept(held, measure.held_back(ground.personal, settings, cutoff))
        near = _kept(held, baskets.neighbours(pairs, items, settings, before=True))
        usual = _kept(held, baskets.habits(ground.personal, settings, cutoff))
        rows = measure.measured(test, items, near, usual)
        stamped = rows.withColumn("trained_before", f.lit(cutoff)).withColumn("batch", f.lit(runtime.run.number))
        lake.overwrite(QUALITY, stamped.withColumn("batch", f.col("batch").cast("long")))
    return {"quality": _told(runtime, cutoff)}


@contextmanager
def _ground(runtime: Runtime, decision: Decision) -> Iterator[_Ground]:
    lake, settings = runtime.lake, decision.recommendations
    with ExitStack() as held:
        events = feed.events(lake)
        usable = _kept(held, feed.usable(lake))
        lines = baskets.purchases(events, settings)
        counted = _kept(held, people.permitted(lines, usable, settings.training_purpose).select(*_LINE))
        personal = _kept(held, people.permitted(lines, usable, decision.purpose).select(*_LINE))
        training = _kept(held, baskets.training(counted, baskets.nobodys(lines)))
        redeemed = events.where(f.col("type") == decision.campaigns.redemption)
        redemptions = people.permitted(redeemed, usable, settings.training_purpose).select("campaign", "profile_id")
        products = _kept(held, feed.catalogue(lake, settings.products.source).select("key", "attributes"))
        yield _Ground(training, counted, personal, products, redemptions)


def _kept(held: ExitStack, frame: DataFrame) -> DataFrame:
    """Return the frame so that it is computed once; the stack gives the memory back."""
    kept = frame.persist()
    held.callback(kept.unpersist)
    return kept


def _told(runtime: Runtime, cutoff: datetime) -> list[dict[str, object]]:
    rows = feed.small_rows(runtime.workspace.lake_path, QUALITY)
    told: list[dict[str, object]] = []
    for row in sorted(rows, key=lambda row: (row["task"], -row["hit_rate"], row["method"])):
        runtime.say(
            f"recommend, {row['task']}, {row['method']}: right in {row['hit_rate']:.1%} of {row['baskets']:,} baskets, "
            f"recall@10 {row['recall']:.1%} (learned before {cutoff:%Y-%m-%d})"
        )
        told.append({name: row[name] for name in ("task", "method", "baskets", "hit_rate", "recall")})
    return told
