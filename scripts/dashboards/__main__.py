"""Prints one dashboard: `python -m scripts.dashboards overview | account | exporter`."""

from __future__ import annotations

import argparse
import sys

from scripts.dashboards import account, health, overview
from scripts.dashboards.frame import text

PAGES = {"overview": overview.page, "account": account.page, "exporter": health.page}


def main(arguments: list[str]) -> int:
    """Run the command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.dashboards", description=__doc__)
    parser.add_argument("name", choices=PAGES)
    sys.stdout.write(text(PAGES[parser.parse_args(arguments).name]()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
