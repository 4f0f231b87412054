"""The trace page: what a collector shows at `/` to those without Grafana.

Pages are rendered here from the store and work without scripts; `static/page.js` adds keys and filtering. Everything
comes from the collector itself, and whatever spans say is escaped: see `guarding.py`.
"""
