"""GET / and /assets: the page, a single-page application that `make web` builds into this package."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from tracesvc.errors import NotFound
from tracesvc.routes.media import weight

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
# An asset's name holds a hash of what is in it.
FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"


def page_router(issuer: str = "") -> APIRouter:
    """The two routes. `issuer`: the sign-in service's URL, which the page then may ask too."""
    router = APIRouter(include_in_schema=False)
    headers = {
        "Content-Security-Policy": policy(issuer),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Accept-Encoding",
    }

    @router.api_route("/", methods=["GET", "HEAD"])
    def get_page(request: Request) -> Response:
        """The page. 404 with what to do when this installation was made without it."""
        if not (BUILT / "index.html").is_file():
            raise NotFound(
                "This installation has no page: it was made without Node. `make web` builds it "
                "(Node 20 or newer). The API is all there, and /docs describes it."
            )
        return _file(BUILT / "index.html", request, headers | {"Cache-Control": ASK_AGAIN})

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"])
    def get_asset(name: str, request: Request) -> Response:
        """A script, style sheet, font or picture of the page."""
        path = BUILT / "assets" / name
        if not ASSET.fullmatch(name) or not path.is_file():
            raise NotFound("The page has no such file. It may be older than this service: load it again.")
        return _file(path, request, headers | {"Cache-Control": FOR_GOOD})

    return router


def policy(issuer: str = "") -> str:
    """What the page may load and ask: itself, and the sign-in service's origin."""
    parts = urlsplit(issuer)
    origin = {"connect-src": f"{SOURCES['connect-src']} {parts.scheme}://{parts.netloc}"} if issuer else {}
    return "; ".join(f"{directive} {sources}" for directive, sources in {**SOURCES, **origin}.items())


def _file(path: Path, request: Request, headers: Mapping[str, str]) -> FileResponse:
    """The file, as gzip where the build left one beside it and the browser takes it."""
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    small = path.with_name(path.name + ".gz")
    if weight(request.headers.get("accept-encoding", ""), "gzip") > 0 and small.is_file():
        packed = {**headers, "Content-Encoding": "gzip"}
        return FileResponse(small, headers=packed, media_type=media_type)
    return FileResponse(path, headers=headers, media_type=media_type)
