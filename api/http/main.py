"""The composition root of the HTTP process: a workspace in, an application out. `api.http.serve` serves it."""

import importlib
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import activation.store
import api.http.store
import consent.requests.store
import consent.store
import identity.stewardship.store
import infra.runs
import ingestion.store
from activation.answer import NextBest
from activation.config import load_activation
from api.http.anew import opened_reader
from api.http.app import create_app
from api.http.audit import ReadAudit
from api.http.centre.wording import languages
from api.http.changing import open_changes
from api.http.collector.wiring import open_collector
from api.http.credentials import KeyRing
from api.http.expiry import Expiry, served_since
from api.http.following import Following
from api.http.metrics import Metrics
from api.http.notary import DeskNotary
from api.http.oidc import Bearer, KeySet, check_mapping, fetched
from api.http.people import People
from api.http.privacy import office
from api.http.reading import Tongue
from api.http.rsgi import Rsgi
from api.http.sealing import Sealing
from api.http.serve import follows
from api.http.signalling import SignalDesk
from api.http.verdicts import Registry
from api.http.wiring import Ledger, ReviewDesk, keep_away, recall
from api.http.world import Segment, World
from consent import officer
from consent.ledger.group import Grouped
from consent.signals.config import load_signals
from identity.config import load_identity, rules
from identity.stewardship import steward
from infra import journal
from infra.clock import Clock, system_clock
from infra.database import open_database
from infra.errors import KindredError, Unavailable
from infra.identifiers import load_identifier_types
from infra.serving_settings import TracingSettings
from infra.workspace import Workspace
from ingestion.health import Clinic
from profiles.changefeed.store import METADATA as CHANGES
from profiles.features.declared import load_features
from profiles.history.store import METADATA as HISTORY
from profiles.online.places import FOLDER as ONLINE
from profiles.serving import Published, serving_store


def bearer_of(workspace: Workspace, purposes: frozenset[str]) -> Bearer | None:
    """Return how tokens of the workspace's identity provider are checked, or None where it has none."""
    settings = workspace.settings.serving.oidc
    if settings is None:
        return None
    check_mapping(settings, purposes)
    place = settings.jwks
    fetch = fetched(place, _carried(workspace)) if "://" in place else (workspace.root / place).read_bytes
    return Bearer(settings, KeySet(fetch), workspace.token_key())


def _carried(workspace: Workspace) -> Callable[[], Mapping[str, str]]:
    """Return what puts a request of ours to others into the trace of the one that it serves, where there are traces."""
    if workspace.settings.serving.tracing is None:
        return dict
    carried: Callable[[], Mapping[str, str]] = tracing_module().passed_on
    return carried


def following(workspace: Workspace) -> Following:
    """Return what the workspace's stream workers say of themselves."""
    return Following(workspace.state_path / ONLINE, system_clock, workspace.settings.serving.stream_workers)


def open_world(workspace: Workspace, ring_of: Callable[..., KeyRing] = KeyRing, clock: Clock = system_clock) -> World:
    """Return the server's world over a workspace: its database, its served generations, its ledger, its event log."""
    database = open_database(
        workspace,
        api.http.store.METADATA,
        consent.store.METADATA,
        consent.requests.store.METADATA,
        identity.stewardship.store.METADATA,
        activation.store.METADATA,
        ingestion.store.METADATA,
        infra.runs.METADATA,
        CHANGES,
        HISTORY,
    )
    desk = replace(officer.Desk.open(workspace, database), grouped=Grouped(database))
    published = Published(serving_store(workspace), time.monotonic)
    profiles, look, purposes = opened_reader(workspace, (database, desk.overlay), published, clock)
    recall(desk, served_since(profiles))
    keep_away(workspace.root, desk)
    with suppress(KindredError):  # a store that cannot be read says so at each read
        look(clock())
    signals = load_signals(workspace, desk.policy)
    *retired, key = workspace.token_keys().values()
    tongue = Tongue(load_identifier_types(workspace), key, workspace.settings.region, tuple(retired))
    bearer = bearer_of(workspace, frozenset(desk.policy.purposes))
    share = workspace.settings.serving.workers
    ring = ring_of(database, bearer=bearer, share=share) if bearer else ring_of(database, share=share)
    metrics, changes = Metrics(), open_changes(workspace, (database, desk.overlay), profiles, purposes, system_clock)
    segment, stale = workspace.settings.serving.segment, workspace.settings.serving.stale_after
    privacy = office.opened(workspace, database, desk, profiles, system_clock())
    return World(
        profiles=profiles,
        consents=Ledger(desk, profiles),
        decider=NextBest(
            activation=load_activation(workspace),
            shelf=published,
            views=profiles,
            database=database,
            key=workspace.token_key(),
            policy_version=desk.policy.version,
            mint=lambda: secrets.token_hex(16),
        ),
        signals=SignalDesk(desk, signals, workspace.token_keys()),
        stewards=ReviewDesk(steward.Desk(database, workspace.lake_path, rules(load_identity(workspace)))),
        verdicts=Registry(workspace, database),
        sources=Clinic(workspace, database),
        tongue=tongue,
        database=database,
        ring=ring,
        audit=ReadAudit(database, system_clock),
        people=People(database, system_clock, workspace.settings.serving.people_per_day),
        clock=system_clock,
        notary=DeskNotary(desk),
        expiry=Expiry(desk, served_since(profiles), look),
        collector=open_collector(workspace, (desk, signals), ring, tongue, system_clock, metrics),
        sealing=Sealing(desk),
        segment=None if segment is None else Segment(segment.space, segment.types),
        privacy=privacy,
        metrics=metrics,
        changes=changes,
        past=changes.past(),
        languages=languages(workspace),
        requests=privacy.desk if privacy else None,
        online=following(workspace).told if follows(workspace) else None,
        built=served_since(profiles),
        stale_after=None if stale is None else timedelta(hours=stale),
        name=workspace.settings.name,
        zone=ZoneInfo(workspace.settings.time_zone),
        features=load_features(workspace),
    )


def application() -> Rsgi:
    """Return the application over the workspace in the working folder."""
    workspace = Workspace.open(Path.cwd())
    journal.configure(workspace.settings.logs.format, sys.stderr)
    world = open_world(workspace)
    return _traced(world, workspace.settings.serving.tracing)


def _traced(world: World, tracing: TracingSettings | None) -> Rsgi:
    """Return the application, with a span around every request where the settings want that."""
    if tracing is None:
        return Rsgi(create_app(world), world)
    otel = tracing_module()
    return Rsgi(otel.Traced(create_app(world), otel.provider(tracing)), world, straight=False)


def tracing_module() -> ModuleType:
    """Return `api.http.tracing`, which only a workspace with traces loads; raise `Unavailable` without its packages."""
    try:
        return importlib.import_module("api.http.tracing")
    except ModuleNotFoundError:
        raise Unavailable(
            "serving.tracing is set, and OpenTelemetry is not installed; pip install 'kindred[otel]' brings it"
        ) from None
