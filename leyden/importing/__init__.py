"""Importing what other tools export: their files become spans of the dialect those tools record in."""

from leyden.importing.sources import SOURCES, Bad, Source, sniff, spans_of

__all__ = ["SOURCES", "Bad", "Source", "sniff", "spans_of"]
