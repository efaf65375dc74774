"""Functions of the workspace's own, in its Python files."""

import sys
from collections.abc import Callable, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from ingestion.errors import ConnectorMalformed


class _Fresh(SourceFileLoader):
    """Reads the file itself each time, and leaves nothing compiled in the workspace."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Say that nothing is known of the file that a compiled one could be held against."""
        raise OSError(path)


def own_function(source: str, root: Path, path: str, name: str) -> Callable[..., Any]:
    """Return a function of a Python file of the workspace."""
    module_name, file = f"kindred_connector_{source}", root / path
    if not file.is_file():
        raise ConnectorMalformed(source, f"{path} is not there", f"write it, a Python file with a function {name}")
    spec = spec_from_loader(module_name, _Fresh(module_name, str(file)))
    if spec is None or spec.loader is None:
        raise ConnectorMalformed(source, f"{path} is no Python file", f"write it, with a function {name}")
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # libraries look there for where a function stands
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        raise ConnectorMalformed(source, f"{path} has no function {name}", "write one")
    wanted: Callable[..., Any] = found
    return wanted
