"""The demo's workspace: ordinary YAML that anybody could have written, copied beside the data."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def write_workspace(root: Path, seed: int) -> list[str]:
    """Write the demo's YAML files into a workspace and return their names; `kindred.yaml` gets the seed."""
    written: list[str] = []
    for name, text in sorted(_tree(files("api.demo") / "workspace", "")):
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace("${SEED}", str(seed)), encoding="utf-8")
        written.append(name)
    return written


def _tree(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _tree(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            found.append((f"{prefix}{entry.name}", entry.read_text(encoding="utf-8")))
    return found
