"""`python -m leyden`: the same as the `leyden` command."""

import sys

from leyden.cli import main

sys.exit(main())
