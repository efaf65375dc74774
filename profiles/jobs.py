"""The jobs of profiles: `build` brings the golden tables up to date with the facts, `publish` serves them."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent import funnel
from consent.config import load_policy
from consent.intake import mirrored_through
from consent.overlay import DenyOverlay
from consent.screen import screen
from infra import shelf
from infra.identifiers import load_identifier_types
from infra.ids import Token
from infra.runtime import Runtime
from infra.serving.store import ServingStore
from ingestion.config import load_sources
from profiles import account
from profiles.config import SESSIONS, ProfileSettings, load_settings
from profiles.details import Reserved
from profiles.errors import TablesAhead
from profiles.feed import Facts, facts, newest_moment
from profiles.partings import Parting
from profiles.publish import PUBLISHED, Bring, Edition, Filler, is_published, publish_edition, run_facts
from profiles.retention import withheld
from profiles.rulebook import Rulebook
from profiles.serving import STALENESS_SECONDS, serving_store
from profiles.start import Start
from profiles.tables import (
    PROFILE_CONSENT,
    PROFILE_GRAPH,
    PROFILE_TIMELINE,
    PROFILE_TOKENS,
    PROFILE_TRAITS,
    PROFILE_VIEWS,
    TABLES,
)
from profiles.transforms import facts as sums
from profiles.transforms import golden, graph, identifiers, links, rfm, scopes, sessions, timeline, traits, views

_MICRO = 1_000_000
# Under which name a build, and the manifest of what it built, say by which version of the policy it judged.
POLICY: Final = "policy"


@dataclass(frozen=True, slots=True)
class Built:
    """What a run that came to its end says of itself: which tables it brought together, and when it judged."""

    run: str
    number: int
    started_at: datetime
    tables: Mapping[str, int]
    # The version of the policy that it judged by; of a run that did not say, none that there is.
    policy: str = ""


class Told(Protocol):
    """The change feed, as a publication tells it; the composition root hands it in."""

    def served(self, generations: ServingStore, overlay: DenyOverlay, start: Start | None) -> int:
        """Tell what the generation that was just served changed."""

    def relieved(self, generations: ServingStore, overlay: DenyOverlay, tokens: Sequence[Token]) -> int:
        """Tell what the overlay lets be seen again, and that with it the generation was told whole."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One build under way: what it reads, by which rules, and a folder for what several tables are made from."""

    runtime: Runtime
    settings: ProfileSettings
    rules: Rulebook
    facts: Facts
    as_of: datetime
    folder: Path

    def keep(self, name: str, frame: DataFrame) -> DataFrame:
        """Return the frame as written down once; what follows is planned and sized from the file, not from its past."""
        path = str(self.folder / name)
        frame.write.mode("overwrite").parquet(path)
        return self.runtime.lake.spark.read.schema(frame.schema).parquet(path)


def build(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Bring consent, traits, views, timelines and graphs of every profile up to date with the facts.

    Every table is a function of facts, configuration and the run's time, and is replaced whole: a run that was
    killed and goes on writes what it would have written.
    """
    runtime.lake.ensure(TABLES)
    with _work(runtime) as work:
        linked = work.keep("linked", _linked(work))
        contact_types = work.rules.contact_types()
        named = work.keep("named", identifiers.identifiers(work.facts.features, work.facts.records, contact_types))
        _decide(work, linked, named)
        usable = work.keep("usable", _usable(work, linked))
        _portray(work, usable, named)
        _explain(work, linked, named, usable)
        policy = work.rules.policy.version
    return {**_account(runtime), POLICY: policy}


@contextmanager
def _work(runtime: Runtime) -> Iterator[_Work]:
    settings, until = load_settings(runtime.workspace), runtime.run.started_at
    rules = Rulebook(load_policy(runtime.workspace), load_identifier_types(runtime.workspace))
    found = facts(runtime.lake)
    as_of = newest_moment(runtime.lake, until) if settings.as_of == "newest_event" else until
    folder = runtime.workspace.state_path / "work" / "profiles"
    work = _Work(runtime, settings, rules, found, as_of, folder)
    try:
        yield replace(work, facts=replace(found, records=work.keep("records", found.records)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _linked(work: _Work) -> DataFrame:
    proof = work.rules.proof(work.settings.links.certain_above_bits)
    return links.linked_records(work.facts.membership, work.facts.index, work.facts.edges, proof)


def _near(work: _Work) -> DataFrame:
    above = round(work.settings.links.probable_above_bits * _MICRO)
    return links.nearby(work.facts.membership, work.facts.edges, above)


def _decide(work: _Work, linked: DataFrame, named: DataFrame) -> None:
    """Write what each purpose may see of each person, from everything said under any of their identifiers."""
    held = work.keep("held", scopes.holders(linked, _near(work), named, work.facts.features))
    parting = Parting.of(work.runtime, work.facts, held, links.linked_tokens(linked, named))
    kept = parting.keep()
    policy, at = work.rules.policy, work.runtime.run.started_at
    everyone, ledger = scopes.both_ways(parting.holders(kept)), parting.ledger(kept)
    said = screen(everyone, ledger, policy, sorted(policy.purposes), at)
    decided = scopes.judged(said, work.rules.purposes("contact"))
    work.runtime.lake.overwrite(PROFILE_CONSENT, decided)
    parting.tell()
    work.runtime.say("profiles: consent decided")


def _usable(work: _Work, linked: DataFrame) -> DataFrame:
    decided = work.runtime.lake.read(PROFILE_CONSENT)
    readable, by_person = work.rules.readable(), work.rules.purposes("person")
    may = scopes.usable(linked, work.facts.record_consent, decided, readable, by_person)
    ended = withheld(work.runtime, work.rules.policy)
    return may if ended is None else may.join(ended, ["record_key", "purpose"], "left_anti")


def _portray(work: _Work, usable: DataFrame, named: DataFrame) -> None:
    """Write traits, views and timelines."""
    lake, masks, index = work.runtime.lake, work.rules.masks(), work.facts.index
    scoped = work.keep("scoped", scopes.scopes(usable))
    members = work.keep("members", scopes.scope_members(usable, scoped))
    other = work.keep("singles", sums.singles(work.facts.events))
    lines, sold = sums.order_lines(work.facts.events), work.keep("sold", _sold(work))
    orders = work.keep("orders", sums.orders(lines, sold, work.settings.timeline.lines))
    told = views.trait_rows(scoped, _traits(work, scoped, members, orders, other, sums.bought(lines, sold)), masks)
    lake.overwrite(PROFILE_TRAITS, told.withColumn("as_of", f.lit(work.as_of)))
    work.runtime.say("profiles: traits computed")
    lists = views.identifier_lists(members, named)
    survived, traits_ = _golden(work, members, named), lake.read(PROFILE_TRAITS)
    sure = scopes.confidences(members, scoped, index, work.facts.edges)
    seen = views.views(scoped, survived, traits_, lists, index, masks, work.rules.shortened(), sure)
    basis = lake.read(PROFILE_CONSENT).select("profile_id", "purpose", "reason", "policy_line")
    full = seen.join(basis, ["profile_id", "purpose"]).withColumn("as_of", f.lit(work.as_of))
    lake.overwrite(PROFILE_VIEWS, full)
    work.runtime.say("profiles: golden records written")
    length = work.settings.timeline.length
    purposes = scopes.record_purposes(usable)
    sources = load_sources(work.runtime.workspace)
    reserved = Reserved.of({one.source: one.of_the_person() for one in sources}, work.rules.masked())
    lake.overwrite(
        PROFILE_TIMELINE, timeline.timelines(work.facts.membership, purposes, orders, other, length, reserved)
    )


def _sold(work: _Work) -> DataFrame:
    catalogue, groups = work.settings.catalogue, sorted(work.settings.favourites())
    return sums.products(work.facts.catalogue, catalogue.source, catalogue.label, groups)


def _traits(
    work: _Work, scoped: DataFrame, members: DataFrame, orders: DataFrame, other: DataFrame, bought: DataFrame
) -> DataFrame:
    windows = work.settings.windows()
    summed = traits.summed(members, sums.sightings(other, work.as_of, windows), orders, work.as_of, windows)
    if any(trait.compute in SESSIONS for trait in work.settings.traits):
        happened, gap = sessions.moments(other, orders), work.settings.sessions.gap
        visits = sessions.counted(members, happened, gap, work.as_of, windows)
        summed = summed.join(visits, ["profile_id", "scope"], "left")
    liked = traits.favourites(members, bought, work.settings.favourites())
    return traits.worded(rfm.scored(summed, scoped), liked, work.settings.traits, work.as_of)


def _golden(work: _Work, members: DataFrame, named: DataFrame) -> DataFrame:
    keys, told = ["profile_id", "scope"], work.settings.survivorship
    claimed = golden.claims(work.facts.records, identifiers.contacts(named), told.together)
    survived = golden.survivors(members.join(claimed, "record_key").repartition("profile_id"), keys, told)
    return golden.attributes(survived, keys, told.together)


def _explain(work: _Work, linked: DataFrame, named: DataFrame, usable: DataFrame) -> None:
    """Write identity graphs, and whom each identifier leads to."""
    membership, index, held = work.facts.membership, work.facts.index, work.facts.intervals
    purposes = scopes.record_purposes(usable)
    records = graph.graph_records(linked, work.facts.features, work.facts.records, named, purposes)
    tokens = links.linked_tokens(linked.unionByName(_near(work)), named)
    edges = graph.graph_edges(membership, work.facts.edges)
    work.runtime.lake.overwrite(PROFILE_GRAPH, graph.graphs(index, tokens, records, edges))
    own = links.linked_tokens(linked, named)
    leads = views.tokens(own, identifiers.intervals(held), index, membership)
    work.runtime.lake.overwrite(PROFILE_TOKENS, leads)
    work.runtime.say("profiles: timelines and graphs written")


def _account(runtime: Runtime) -> dict[str, object]:
    """Keep and tell the consent funnel of the build; return how many rows each table holds."""
    lake = runtime.workspace.lake_path
    counts = funnel.counts(shelf.batches(lake, PROFILE_CONSENT, columns=funnel.COLUMNS))
    for line in funnel.told(runtime.database, runtime.run.id, "build", counts):
        runtime.say(line)
    return {table.name: shelf.count(lake, table) for table in TABLES}


def publish(
    runtime: Runtime,
    arguments: Mapping[str, str],
    fillers: Sequence[Filler] = (),
    bring: Bring | None = None,
    told: Told | None = None,
    policy: str | None = None,
) -> dict[str, object]:
    """Serve what was built: a new generation beside the live one, one switch, then the overlay is relieved.

    Readers look at the pointer every `STALENESS_SECONDS`; a denial that the new generation has taken in is
    forgotten only when none of them can still read the old one. The consent funnel tells whom each purpose is
    served, and of those left out also who refused since the build and whom identity holds back. `policy` is the version
    that the build judged by, where its caller knows; readers who know another decide anew. `whole` (or `full`)
    begins from nothing: what was removed from a copied file may still stand in its free pages.
    """
    run, workspace = runtime.run, runtime.workspace
    judged_by = {} if policy is None else {POLICY: policy}
    edition = _edition(runtime, {**run_facts(run.id, run.number, run.started_at), **judged_by})
    edition = replace(edition, whole="yes" in {arguments.get("whole"), arguments.get("full")})
    counts = {}
    if not is_published(edition):
        counts = publish_edition(edition, fillers, bring, lambda start: _tell(edition, told, start))
    elif told is not None:
        _tell(edition, told, None)  # whoever served it may have come no farther
    time.sleep(2 * STALENESS_SECONDS)
    overlay = DenyOverlay.open(workspace.serving_path)
    try:
        said = overlay.told()
        about = [*(Token(one[0]) for one in said.denied), *(Token(one[0]) for one in said.moved)]
        relieved = overlay.purge(as_of=run.started_at, through=mirrored_through(runtime.database))
        denials = overlay.denials()
        if told is not None:
            told.relieved(edition.generations(), overlay, about)
    finally:
        overlay.close()
    for line in funnel.told(runtime.database, run.id, "serve", account.viewed(workspace.lake_path, denials)):
        runtime.say(line)
    runtime.say(
        f"published: {counts.get('views', 0):,} views of {counts.get('profiles', 0):,} profiles, "
        f"{counts.get('views_changed', 0):,} new or changed, {counts.get('views_removed', 0):,} removed"
    )
    return {"generation": edition.name, **counts, "denials_taken_in": relieved}


def _tell(edition: Edition, told: Told | None, start: Start | None) -> None:
    if told is None:
        return
    overlay = DenyOverlay.open(edition.serving)
    try:
        told.served(edition.generations(), overlay, start)
    finally:
        overlay.close()


def _edition(runtime: Runtime, facts_of_run: Mapping[str, object]) -> Edition:
    workspace, name = runtime.workspace, f"{runtime.run.number:08d}"
    purposes = load_policy(workspace).purposes
    ways = {str(purpose): terms.readable_links() for purpose, terms in purposes.items()}
    return Edition(
        workspace.lake_path, workspace.serving_path, name, load_settings(workspace), facts_of_run, ways,
        serving_store(workspace),
    )  # fmt: skip


def publish_again(
    runtime: Runtime, built: Built, fillers: Sequence[Filler] = (), bring: Bring | None = None,
    told: Told | None = None,
) -> dict[str, object]:  # fmt: skip
    """Serve once more, whole, what a run built: after a store was lost or damaged, or was rolled back.

    What it judged it judged then, so the overlay keeps every refusal of since. Raise `TablesAhead` where a run that
    did not come to its end has written some tables since. Like every publication it ends when no reader is left behind:
    the next one takes away what was served before this one.
    """
    workspace = runtime.workspace
    for table in PUBLISHED:
        if shelf.version(workspace.lake_path, table) != built.tables.get(table.name):
            raise TablesAhead(table.name)
    facts_of_run = {**run_facts(built.run, built.number, built.started_at), POLICY: built.policy}
    edition = _edition(runtime, facts_of_run)
    counts = publish_edition(replace(edition, whole=True), fillers, bring, lambda start: _tell(edition, told, start))
    time.sleep(2 * STALENESS_SECONDS)
    runtime.say(f"published: {counts['views']:,} views of {counts['profiles']:,} profiles")
    return {"generation": edition.name, **counts}
