"""The composition root of the HTTP process: a workspace in, an ASGI application out, served on loopback.

Run as `python -m api.http.main WORKSPACE HOST PORT`, which is what `kindred serve` does. The worker is started in
the workspace's folder and opens what it finds there, so nothing is handed over but the place.
"""

import logging
import os
import secrets
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

import activation.store
import api.http.store
import consent.store
import identity.stewardship.store
from activation.answer import NextBest
from activation.config import load_activation
from api.http.app import create_app
from api.http.audit import ReadAudit
from api.http.credentials import KeyRing
from api.http.expiry import Expiry, served_since
from api.http.middleware import AsgiApp
from api.http.reading import Tongue
from api.http.wiring import Denied, Ledger, ReviewDesk, recall
from api.http.world import World
from consent import officer
from identity.config import load_identity, rules
from identity.stewardship import steward
from infra.clock import system_clock
from infra.database import open_database
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace
from profiles.serving import ProfileReader, Published


def open_world(workspace: Workspace) -> World:
    """Return the server's world over a workspace: its database, its served generations, its ledger and its rules."""
    database = open_database(
        workspace,
        api.http.store.METADATA,
        consent.store.METADATA,
        identity.stewardship.store.METADATA,
        activation.store.METADATA,
    )
    desk = officer.Desk.open(workspace, database)
    published = Published(workspace.serving_path, time.monotonic)
    profiles = ProfileReader(published, Denied(desk.overlay))
    recall(desk, served_since(profiles))
    types = load_identifier_types(workspace)
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
        stewards=ReviewDesk(steward.Desk(database, workspace.lake_path, rules(load_identity(workspace)))),
        tongue=Tongue(types, workspace.token_key(), workspace.settings.region),
        database=database,
        ring=KeyRing(database),
        audit=ReadAudit(database, system_clock),
        clock=system_clock,
        expiry=Expiry(desk, served_since(profiles)),
        name=workspace.settings.name,
        zone=ZoneInfo(workspace.settings.time_zone),
    )


def application() -> AsgiApp:
    """Return the application over the workspace in the working folder; the server's worker calls it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return create_app(open_world(Workspace.open(Path.cwd())))


def serve(workspace: Path, host: str, port: int) -> None:
    """Serve a workspace until the process is told to end."""
    # The worker inherits the folder; what is wrong with the workspace is said here, before it starts.
    os.chdir(Workspace.open(workspace).root)
    Granian(
        "api.http.main:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        websockets=False,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
