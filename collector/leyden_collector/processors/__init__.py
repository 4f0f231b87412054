"""Processors: what is changed or dropped of a request before a byte of it is on disk (docs/processors.md)."""

from leyden_collector.processors.base import Processor
from leyden_collector.processors.pipeline import Pipeline, Processed

__all__ = ["Pipeline", "Processed", "Processor"]
