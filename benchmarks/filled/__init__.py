"""An embedded store filled with many spans, for the benchmarks that read."""
