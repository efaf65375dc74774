"""The change feed as a run tells it: what a publication changed, and what the overlay forgets after it."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.http.told import open_teller
from consent.overlay import DenyOverlay
from infra.clock import Clock
from infra.ids import Token
from infra.runtime import Runtime
from infra.serving.store import ServingStore
from profiles.changefeed.published import holders, tell_publication
from profiles.changefeed.teller import Teller
from profiles.start import Start


def teller_of(runtime: Runtime, overlay: DenyOverlay, clock: Clock) -> Teller:
    """Return the feed of a run's workspace, over what readers see under an overlay at this moment."""
    teller, look = open_teller(runtime.workspace, runtime.database, overlay, clock)
    look(clock())
    return teller


@dataclass(frozen=True, slots=True)
class Telling:
    """`profiles.jobs.Told` over a run."""

    runtime: Runtime
    clock: Clock

    def served(self, generations: ServingStore, overlay: DenyOverlay, start: Start | None) -> int:
        """Tell what the generation that was just served changed, which may have begun from another."""
        name, teller = generations.name(), teller_of(self.runtime, overlay, self.clock)
        return 0 if name is None else tell_publication(teller, name, start)

    def relieved(self, generations: ServingStore, overlay: DenyOverlay, tokens: Sequence[Token]) -> int:
        """Tell what the overlay lets be seen again, and that with it the generation was told whole."""
        teller = teller_of(self.runtime, overlay, self.clock)
        count = teller.tell(holders(teller.seen(), tokens))
        name = generations.name()
        if name is not None:
            teller.settle(name)
        return count
