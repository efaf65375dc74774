"""A workspace's tracking plans, from `tracking/*.yaml`."""

from infra.errors import ConfigurationError
from infra.workspace import Workspace
from ingestion.tracking.declared import TrackingPlan

FOLDER = "tracking"


def load_plans(workspace: Workspace) -> dict[str, TrackingPlan]:
    """Return the plans by the path of their file; raise `ConfigurationError` at the first mistake."""
    found: dict[str, TrackingPlan] = {}
    names: set[str] = set()
    for file in sorted(workspace.root.glob(f"{FOLDER}/*.yaml")):
        path = file.relative_to(workspace.root).as_posix()
        plan = workspace.load(path, TrackingPlan)
        if plan.tracking_plan in names:
            line = workspace.lines(path).lc.key("tracking_plan")[0] + 1
            raise ConfigurationError(path, line, "tracking_plan", "another plan has this name", "choose another")
        _check_events(workspace, path, plan)
        names.add(plan.tracking_plan)
        found[path] = plan
    return found


def _check_events(workspace: Workspace, path: str, plan: TrackingPlan) -> None:
    """Raise where two entries are one version of one event: and nobody could say which counts."""
    seen: set[tuple[str, str | None, int]] = set()
    for place, event in enumerate(plan.events):
        key = (event.type, event.event, event.version)
        if key in seen:
            line = workspace.lines(path)["events"].lc.item(place)[0] + 1
            wrong = f"{event.told()} stands here twice"
            raise ConfigurationError(path, line, f"events.{place}", wrong, "give one of them another `version`")
        seen.add(key)
