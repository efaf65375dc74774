"""What all pages for people have in common: their templates, their headers, and the reading of their forms."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.errors import Malformed

# No script, nothing from elsewhere, in nobody's frame, kept by no cache.
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def templates(folder: Path, **everywhere: Any) -> Environment:
    """Return the templates of a folder, which escape every value and know what stands on every page."""
    pages = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals.update(everywhere)
    return pages


def from_elsewhere(request: Request) -> bool:
    """Say whether the browser tells that another site's page sent this; one that tells nothing is taken for ours."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


async def form_of(request: Request, most: int | None = None) -> dict[str, str]:
    """Return the fields of a posted form; raise `Malformed` for one of more than so many bytes."""
    body = await request.body()
    if most is not None and len(body) > most:
        raise Malformed("the form is larger than any of this page's")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
