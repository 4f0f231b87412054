"""What keeps a hostile span, or a hostile site in another tab, from doing anything through the page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

HEADERS: Mapping[str, str] = {
    # Nothing but the page's own files; no inline script or style, so that text which slips through runs nothing.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer of the page."""


def from_this_page(request: Request) -> None:
    """A dependency of routes that change something: refuses forms that another site sends through a browser.

    Browsers say where a form came from in `Sec-Fetch-Site` or `Origin`; who sends neither is no browser.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site in (None, "same-origin", "none") and (origin is None or urlsplit(origin).netloc == request.url.netloc):
        return
    raise HTTPException(403, "this form was sent from another site")
