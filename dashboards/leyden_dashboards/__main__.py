"""`python -m leyden_dashboards`: write every dashboard's JSON, one file each, and the alerts."""

from __future__ import annotations

import argparse
from pathlib import Path

from leyden_dashboards import alerts
from leyden_dashboards.pages import PAGES
from leyden_dashboards.writing import COMMITTED, write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m leyden_dashboards", description=__doc__)
    parser.add_argument("--out", type=Path, default=COMMITTED, metavar="DIR", help=f"default: {COMMITTED}")
    out = parser.parse_args().out
    for path in write(PAGES, out):
        print(path)
    if out == COMMITTED:
        print(alerts.write())


if __name__ == "__main__":
    main()
