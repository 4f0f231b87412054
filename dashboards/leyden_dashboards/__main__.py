"""`python -m leyden_dashboards`: write every dashboard's JSON, one file each."""

from __future__ import annotations

import argparse
from pathlib import Path

from leyden_dashboards.pages import PAGES
from leyden_dashboards.writing import COMMITTED, write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m leyden_dashboards", description=__doc__)
    parser.add_argument("--out", type=Path, default=COMMITTED, metavar="DIR", help=f"default: {COMMITTED}")
    for path in write(PAGES, parser.parse_args().out):
        print(path)


if __name__ == "__main__":
    main()
