"""GET /docs: the description in a browser, from this process alone: plants have no internet."""

from __future__ import annotations

from importlib import resources
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tracesvc.errors import NotFound

router = APIRouter(include_in_schema=False)

PACKAGE: Final = "fastapi_swagger.resources"
FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets styles in its elements; everything else comes from here.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>tracesvc</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="/docs/favicon-32x32.png"></head>
<body><div id="page"></div><script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script></body>
</html>
"""
START: Final = 'SwaggerUIBundle({url: "/openapi-3.1.json", dom_id: "#page", deepLinking: true});\n'


@router.get("/docs")
async def get_docs() -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/{name}")
def get_docs_file(name: str) -> Response:
    """What the page loads."""
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in FILES:
        raise NotFound("There is no such file.")
    content = resources.files(PACKAGE).joinpath(name).read_bytes()
    return Response(content, media_type=FILES[name], headers={"Cache-Control": "max-age=86400"})
