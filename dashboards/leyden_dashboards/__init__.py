"""Dashboards as code: what Grafana shows of the store.

`python -m leyden_dashboards` writes the JSON that Grafana is provisioned with. A dashboard is a page of panels in
Python (`overview`, `traces`, `agents`, `llm`, `training`) and a SQL file a panel under `queries/`.
"""
