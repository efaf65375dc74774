"""A new generation brought up to date before it is served: what the log has that the lake has not seen yet."""

from collections.abc import Callable, Collection
from functools import partial

from api.http.wiring import Denied
from consent import officer
from identity.config import load_identity
from identity.online.build import build_from_lake
from infra.clock import Clock
from infra.errors import Missing
from infra.keyvalue import Torn
from infra.runtime import Runtime
from infra.serving.store import Live, ServingStore
from profiles.online.carry import carried, given_out
from profiles.online.opened import Ledger, Log, Opened, begun_at, collects, forget_states, state_folder

Bring = Callable[[ServingStore, str], None]


def bringing(runtime: Runtime, clock: Clock, besides: Collection[str] = ()) -> Bring | None:
    """Return what brings a generation up to date between its being built and served; None where no events come in.

    What is built knows nothing of what the runs `besides` took in of the log.
    """
    if not collects(runtime.workspace):
        return None
    return partial(_bring, runtime, clock, frozenset(besides))


def _bring(runtime: Runtime, clock: Clock, besides: frozenset[str], generations: ServingStore, name: str) -> None:
    """Build the resolver's state of a generation, say where in the log it begins, and apply what came since."""
    workspace, database = runtime.workspace, runtime.database
    folder, served = state_folder(workspace, name), generations.name()
    try:
        build_from_lake(folder, workspace.lake_path, load_identity(workspace))
    except Missing as error:  # nothing was ever resolved: the worker begins when something is
        runtime.say(f"online: {error}")
        return
    desk, log = officer.Desk.open(workspace, database), Log.of(workspace, database, clock, besides)
    live = generations.live(name)
    try:
        with live.change() as change:
            begun_at(change, log)
        with Opened(workspace, log, name, folder, Ledger(desk, clock), Denied(desk.overlay)) as opened:
            count = opened.catch_up_wholly(live)
        if served is not None and served != name:
            _carry(runtime, generations, served, live)
    finally:
        live.close()
        log.tail.close()
        desk.overlay.close()
    forget_states(workspace, [name, *([served] if served else [])])
    runtime.say(f"online: {count:,} events that the lake has not seen yet are in the new generation")


def _carry(runtime: Runtime, generations: ServingStore, served: str, live: Live) -> None:
    try:
        given = given_out(generations.reader(served))
    except Torn as error:
        runtime.say(f"online: {error}; the ids that it gave to newcomers since its run answer no longer")
        return
    with live.change() as change:
        carried(change, given)
