"""The TypeScript client's generated files, made anew from the OpenAPI document."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from javascript import NODE, packages

from api.http.app import declared_app

CLIENT = Path(__file__).parents[2] / "api" / "client" / "typescript"


def generated() -> dict[str, str]:
    """Return file names and texts. Events have SDKs of their own, and counts are for Prometheus: both are left out."""
    document = declared_app().openapi()
    document["paths"] = {
        path: methods
        for path, methods in document["paths"].items()
        if not any(set(operation["tags"]) & {"collector"} for operation in methods.values()) and path != "/metrics"
    }
    return {"routes.ts": _routes(document), "schema.ts": _schema(document)}


def _routes(document: dict[str, Any]) -> str:
    lines = [
        f"  {operation['operationId']}: [{json.dumps(method.upper())}, {json.dumps(path)}],\n"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    told = "/** Each operation's method and path. Generated from the OpenAPI document; do not edit. */\n"
    return f"{told}export const routes = {{\n{''.join(sorted(lines))}}} as const\n"


def _schema(document: dict[str, Any]) -> str:
    command = packages() / "openapi-typescript" / "bin" / "cli.js"
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "openapi.json"
        told.write_text(json.dumps(document))
        done = subprocess.run([NODE, command, told], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
