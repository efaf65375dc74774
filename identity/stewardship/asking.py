"""`review`: the questions for stewards, looked for anew after each resolution."""

from collections.abc import Mapping

from identity.config import load_identity
from identity.stewardship import inbox, queue, store
from identity.stewardship.review import KINDS
from infra.runtime import Runtime


def review(runtime: Runtime, _arguments: Mapping[str, str]) -> dict[str, object]:
    """Bring the review queue up to date with the edges, profiles and stewards' words that there are now."""
    standing = [s.constraint for s in store.standing(runtime.database, runtime.run.started_at)]
    found = queue.tasks(runtime.workspace.lake_path, load_identity(runtime.workspace), standing)
    inbox.refresh(runtime.database, found, runtime.run.started_at)
    waiting = inbox.counts(runtime.database, runtime.run.started_at)
    return {kind: waiting.get(kind, 0) for kind in KINDS}
