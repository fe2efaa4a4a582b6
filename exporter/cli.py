"""Commands and exit codes: 0 fine, 2 unusable command line or configuration, 1 anything else."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from exporter import __version__, logs
from exporter.config import Config
from exporter.errors import ConfigError, ExporterError

OK, FAILED, UNUSABLE = 0, 1, 2

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Does not return."""
    options = _parser().parse_args(arguments)
    try:
        code = options.command(options)
    except ConfigError as error:
        print(f"{len(error.problems)} problem(s) in the configuration:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        code = UNUSABLE
    except ExporterError as error:
        print(f"bytespike-exporter: {error}", file=sys.stderr)
        code = FAILED
    except KeyboardInterrupt:
        code = FAILED
    _leave(code)


def _leave(code: int) -> None:
    """End now: a thread that hangs in a dead network or disk is not waited for."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or FAILED
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bytespike-exporter",
        description="Exports balance, limits and spend of ByteSpike accounts as OTLP metrics.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="poll, export and serve until told to stop")
    _add_config(run)
    run.add_argument("--once", action="store_true", help="one round of polls, one export, exit")
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="say whether a configuration works, and what to do")
    _add_config(check)
    check.set_defaults(command=_check)

    simulate = commands.add_parser("simulate", help="serve a simulated gateway")
    if _chosen("simulate"):
        from exporter.simulator.cli import add_arguments

        add_arguments(simulate)
    simulate.set_defaults(command=_simulate)

    demo = commands.add_parser("demo", help="simulator, exporter and status page in one process")
    demo.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="address of the status page (default 127.0.0.1:9464, or a free port if it is taken)",
    )
    demo.add_argument("--otlp", metavar="URL", default="", help="also send OTLP over HTTP to URL")
    demo.set_defaults(command=_demo)

    metrics = commands.add_parser("metrics", help="print the metric reference")
    metrics.add_argument("--format", choices=("markdown", "json"), default="markdown")
    metrics.set_defaults(command=_metrics)
    return parser


def _chosen(command: str) -> bool:
    """Whether the command is named, so that others need not load its options."""
    return command in sys.argv


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path("config.yaml"),
        help="the configuration (default config.yaml)",
    )


def _loop(work: Callable[[], Coroutine[None, None, int]]) -> int:
    """Run to the end. Threads that asyncio would wait for are left behind by `_leave`."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(work())


def _load(path: Path) -> Config:
    from exporter.config_file import load

    config = load(path, os.environ)
    logs.configure(config.log.level, config.log.format)
    logs.log_uncaught()
    return config


def _run(options: argparse.Namespace) -> int:
    from exporter.daemon import Daemon

    config = _load(options.config)
    for warning in config.warnings:
        logger.warning("%s", warning)

    async def work() -> int:
        daemon = Daemon(config, os.environ, lambda: _load(options.config))
        if options.once:
            return OK if await daemon.once() else FAILED
        daemon.install_signals()
        await daemon.run()
        return OK

    return _loop(work)


def _check(options: argparse.Namespace) -> int:
    from exporter.check import check
    from exporter.config_file import load

    config = load(options.config, os.environ)
    logs.configure("critical", "text")
    return OK if _loop(lambda: check(config, options.config, os.environ)) == 0 else FAILED


def _simulate(options: argparse.Namespace) -> int:
    from exporter.simulator.cli import serve

    logs.configure("info", "text")
    return _loop(lambda: serve(options))


def _demo(options: argparse.Namespace) -> int:
    from exporter.demo import demo

    logs.configure("warning", "text")
    return _loop(lambda: demo(options.listen, options.otlp))


def _metrics(options: argparse.Namespace) -> int:
    from exporter.metrics_doc import render

    sys.stdout.write(render(options.format))
    return OK
