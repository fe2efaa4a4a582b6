"""`python -m benchmarks`: measure all budgets and write `docs/benchmarks.md`, or measure some."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import catchup, code_size, hook, many, start, steady
from benchmarks.environment import ROOT, runtime_python
from benchmarks.machine import describe
from benchmarks.report import Row, document, table

_DOCUMENT = ROOT / "docs" / "benchmarks.md"
_COMMAND = "make bench"
_NAMES = ("steady", "million", "start", "catchup", "many", "hook", "numbers")


def main() -> None:
    """Measure what was asked for. The table says which budgets were missed, the exit code not."""
    options = _options()
    machine = describe(runtime_python())
    print(machine, flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bytespike-bench-") as directory:
        for name in options.only or _NAMES:
            print(f"\n{name} …", flush=True)
            place = Path(directory, name)
            place.mkdir()
            measured = _benchmarks(options)[name](place)
            print(table(measured), flush=True)
            rows += measured
    if not options.only:
        now = datetime.now(UTC).strftime("%Y-%m-%d")
        _DOCUMENT.write_text(document(rows, machine, now, _COMMAND))


def _benchmarks(options: argparse.Namespace) -> dict[str, Callable[[Path], list[Row]]]:
    """In the order of the contract's budgets."""
    return {
        "steady": lambda place: steady.measure(place, options.steady_seconds),
        "million": catchup.memory,
        "start": lambda place: start.measure(place, options.repeat),
        "catchup": lambda place: catchup.speed(place, options.repeat),
        "many": lambda place: many.measure(place, options.many_seconds),
        "hook": lambda _: hook.measure(options.repeat),
        "numbers": lambda _: code_size.measure(ROOT, options.since),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the budgets. Without arguments, all of them, into docs/benchmarks.md.",
    )
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(_NAMES)}")
    parser.add_argument("--repeat", type=int, default=7, help="runs of what is repeated")
    parser.add_argument("--steady-seconds", type=_minutes, default=180.0, help="at least 60")
    parser.add_argument("--many-seconds", type=_minutes, default=120.0, help="at least 60")
    parser.add_argument("--since", metavar="REV", help="numbers: a revision to compare with")
    options = parser.parse_args()
    unknown = set(options.only) - set(_NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    return options


def _minutes(text: str) -> float:
    """Seconds that hold a poll of every account and two exports."""
    seconds = float(text)
    if seconds < 60.0:
        raise argparse.ArgumentTypeError("is shorter than the intervals that are measured")
    return seconds


main()
