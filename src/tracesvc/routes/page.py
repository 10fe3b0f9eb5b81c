"""GET / and /assets: the page, a single-page application that `make web` builds into this package."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from tracesvc.errors import NotFound
from tracesvc.routes.media import weight

router = APIRouter(include_in_schema=False)

BUILT: Final = Path(__file__).parent.parent / "web_dist"
ASSET: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# Scripts are files of ours; WebAssembly (zstd, SHA-256) comes inside them, as data: what inflates it fetches
# it. The grid and the charts set styles of their own, and the grid's icons are a font in its style sheet.
SOURCES: Final = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "connect-src": "'self' data:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
POLICY: Final = "; ".join(f"{directive} {sources}" for directive, sources in SOURCES.items())
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}
# An asset's name holds a hash of what is in it.
FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"


@router.api_route("/", methods=["GET", "HEAD"])
def get_page(request: Request) -> Response:
    """The page. 404 with what to do when this installation was made without it."""
    if not (BUILT / "index.html").is_file():
        raise NotFound(
            "This installation has no page: it was made without Node. `make web` builds it "
            "(Node 20 or newer). The API is all there, and /docs describes it."
        )
    return _file(BUILT / "index.html", request, ASK_AGAIN)


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
def get_asset(name: str, request: Request) -> Response:
    """A script, style sheet, font or picture of the page."""
    path = BUILT / "assets" / name
    if not ASSET.fullmatch(name) or not path.is_file():
        raise NotFound("The page has no such file. It may be older than this service: load it again.")
    return _file(path, request, FOR_GOOD)


def _file(path: Path, request: Request, cache: str) -> FileResponse:
    """The file, as gzip where the build left one beside it and the browser takes it."""
    headers = HEADERS | {"Cache-Control": cache}
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    small = path.with_name(path.name + ".gz")
    if weight(request.headers.get("accept-encoding", ""), "gzip") > 0 and small.is_file():
        return FileResponse(small, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type)
    return FileResponse(path, headers=headers, media_type=media_type)
