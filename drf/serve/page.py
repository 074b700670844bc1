"""The page at ``/``: three files, which fetch all they show from the verbs."""

from __future__ import annotations

import importlib.resources

from aiohttp import web

FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}

HEADERS = {
    # Names come from clients: whatever is in them, nothing but these files is run, and nobody frames the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes() -> list[web.RouteDef]:
    """The routes of its files; they hold nothing of the state, and need no token."""
    folder = importlib.resources.files("drf.serve") / "static"
    return [
        web.get(path, _sender((folder / name).read_text(encoding="utf-8"), kind))
        for path, (name, kind) in FILES.items()
    ]


def _sender(text: str, kind: str):  # type: ignore[no-untyped-def]
    async def send(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=HEADERS)

    return send
