"""The folder of a shadow: a workspace with the configuration of another and nothing else of it, to try things in."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.errors import Refused
from infra.workspace import Workspace

_MARK: Final = ".shadow.json"
# What declares and what is code of its own; of a shadow nothing goes out, so destinations stay behind.
_CONFIGURATION: Final = ("*.yaml", "*.py")
_STAYS: Final = "destinations"


class NoShadow(Refused):
    """A folder that a shadow would be made of, and that is something else."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(f"{folder.name}/ {what}; name a new folder, or one that `kindred replay --into` made")


def shadow_of(origin: Workspace, folder: Path) -> Workspace:
    """Return the shadow in a folder, made if it is not there; the configuration of one that is there stays as it is."""
    root = folder.resolve()
    if root == origin.root or origin.root.is_relative_to(root):
        raise NoShadow(root, "holds the workspace itself")
    if not root.exists() or not any(root.iterdir()):
        root.mkdir(parents=True, exist_ok=True)
        (root / _MARK).write_text(json.dumps({"shadow_of": str(origin.root)}), encoding="utf-8")
    if shadowed(root) != origin.root:
        raise NoShadow(root, "is not empty, and no shadow of this workspace")
    if not (root / "kindred.yaml").exists():
        for path in _configuration(origin, root):
            _copied(origin.root / path, root / path)
        _copied(origin.root / "kindred.yaml", root / "kindred.yaml")  # last: with it the shadow is whole
    shadow = Workspace.open(root)
    if shadow.settings.stores.served:
        raise NoShadow(
            root, "would have the database of the workspace itself: `stores.database` must be a file inside it"
        )
    for place in (shadow.lake_path, shadow.serving_path, shadow.database_path):
        if not place.resolve().is_relative_to(root):
            raise NoShadow(root, "would have its stores elsewhere: `stores` must be paths inside the workspace")
    return shadow


def shadowed(root: Path) -> Path | None:
    """Return the workspace that a folder is a shadow of, or None if it is none."""
    try:
        return Path(json.loads((root / _MARK).read_text(encoding="utf-8"))["shadow_of"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _configuration(origin: Workspace, shadow: Path) -> Iterator[Path]:
    aside = [origin.state_path, origin.lake_path, origin.serving_path, origin.root / _STAYS, shadow]
    for pattern in _CONFIGURATION:
        for path in sorted(origin.root.rglob(pattern)):
            if path.is_file() and not any(path.is_relative_to(folder) for folder in aside):
                yield path.relative_to(origin.root)
    if (origin.root / ".env").is_file():
        yield Path(".env")


def _copied(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = to.with_name(f"{to.name}.draft")
    shutil.copy2(file, draft)  # with its permissions: a key stays its owner's
    draft.replace(to)
