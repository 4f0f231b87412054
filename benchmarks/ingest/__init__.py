"""The parts of bench_ingest.py: spans, senders, and the collectors that are measured."""
