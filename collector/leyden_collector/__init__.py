"""The collector: OTLP in over HTTP, acknowledged when it is on disk, stored in segments; and the store's door."""
