"""The collector's own API, under `/api`: one module a resource, cursors where a list grows, errors of one shape."""

from __future__ import annotations

from leyden_collector.api.resources import router as router
