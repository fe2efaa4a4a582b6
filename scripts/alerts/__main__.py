"""Prints the alert rules: `python -m scripts.alerts [--helm | --scale N] [--set NAME=NUMBER …]`."""

from __future__ import annotations

import argparse
import sys

import msgspec

from scripts.alerts import GROUPS
from scripts.alerts.render import helm, plain
from scripts.alerts.thresholds import read


def main(arguments: list[str]) -> int:
    """Run the command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.alerts", description=__doc__)
    parser.add_argument("--helm", action="store_true", help="the template for the Helm chart")
    parser.add_argument("--scale", type=float, default=1.0, help="make every wait N times as long")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=NUMBER", help="another threshold"
    )
    options = parser.parse_args(arguments)
    settings = read()
    try:
        pairs = (change.partition("=") for change in options.set)
        changed = settings.thresholds | {name: float(value) for name, _, value in pairs}
        settings = msgspec.structs.replace(settings, thresholds=changed)
        rules = helm(GROUPS, settings) if options.helm else plain(GROUPS, settings, options.scale)
    except ValueError as error:
        print(f"alerts: {error}", file=sys.stderr)
        return 2
    print(rules, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
