"""Commands and exit codes: 0 fine, 2 unusable command line or configuration, 1 anything else."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from exporter import __version__, log
from exporter.config.types import Config, Listen
from exporter.errors import ConfigError, ExporterError
from exporter.secrets import redact

_T = TypeVar("_T")

OK, FAILED, UNUSABLE = 0, 1, 2

_FIRST_CONFIGURATION = """\
A first configuration is three lines:

    accounts:
      - name: prod
        api_key_env: BYTESPIKE_API_KEY

Write them to {path}, or name another file with --config.
`bytespike-exporter demo` needs no configuration at all."""

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script. Ends the process."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a key's masked form is not in every encoding
            stream.reconfigure(errors="backslashreplace")
    log.configure("info", "text")
    options = _parser(words).parse_args(words)
    try:
        code = options.command(options)
    except ConfigError as error:
        number = len(error.problems)
        _say(f"{number} problem{'' if number == 1 else 's'} in the configuration:")
        for problem in error.problems:
            _say(f"  {redact(problem)}")
        code = UNUSABLE
    except ExporterError as error:
        _say(f"bytespike-exporter: {redact(str(error))}")
        code = FAILED
    except (KeyboardInterrupt, BrokenPipeError):  # nobody waits for the rest
        code = FAILED
    except OSError as error:  # of the standard output: everything else is handled where it is
        _say(f"bytespike-exporter: {error.strerror or type(error).__name__}")
        code = FAILED
    except Exception:
        logger.critical("Stopped by a mistake in the exporter. Please report it", exc_info=True)
        code = FAILED
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End now: a thread that hangs in a dead network or disk is not waited for."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed by whoever read it, or never there
            continue
    os._exit(code)


def _say(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bytespike-exporter",
        description="Exports balance, limits and spend of ByteSpike accounts as OTLP metrics.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    config = argparse.ArgumentParser(add_help=False)
    config.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path("config.yaml"),
        help="the configuration (default config.yaml)",
    )
    run = commands.add_parser(
        "run", parents=[config], help="poll, export and serve until told to stop"
    )
    run.add_argument("--once", action="store_true", help="one round of polls, one export, exit")
    run.set_defaults(command=_run)
    check_help = "say whether a configuration works, what was recognized, and what to do"
    _add_check(commands.add_parser("check", parents=[config], help=check_help))
    _add_books(commands, config, words)
    _add_state(commands.add_parser("state", help="change a state file by hand"), config)
    simulate = commands.add_parser("simulate", help="serve a simulated gateway")
    if "simulate" in words:  # other commands need not load its options
        from bytespike_simulator.cli import add_arguments

        add_arguments(simulate)
    simulate.set_defaults(command=_simulate)

    _add_demo(commands.add_parser("demo", help="simulator, exporter and page in one process"))
    metrics = commands.add_parser("metrics", help="print the metric reference")
    metrics.add_argument("--format", choices=("markdown", "json"), default="markdown")
    metrics.set_defaults(command=_metrics)
    return parser


def _add_books(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    config: argparse.ArgumentParser,
    words: Sequence[str],
) -> None:
    reconcile = commands.add_parser(
        "reconcile", parents=[config], help="hold what was counted against the gateway"
    )
    movements = commands.add_parser(
        "transactions", parents=[config], help="print the wallet movements of a month"
    )
    if {"reconcile", "transactions"} & set(words):
        from exporter.books.arguments import add_arguments as add_books

        add_books(reconcile, movements)
    reconcile.set_defaults(command=_books)
    movements.set_defaults(command=_books)


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument(
        "--format", choices=("table", "json"), default="table", help="for people, or for programs"
    )
    check.set_defaults(command=_check)


def _add_state(state: argparse.ArgumentParser, config: argparse.ArgumentParser) -> None:
    commands = state.add_subparsers(required=True, metavar="COMMAND")
    identity = commands.add_parser(
        "new-identity",
        parents=[config],
        help="begin a new instance id and new streams, after a clone or a restore",
    )
    identity.set_defaults(command=_new_identity)


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_listen,
        help="address of the status page (default 127.0.0.1:9464, or a free port if it is taken)",
    )
    demo.add_argument(
        "--otlp",
        metavar="URL",
        type=_endpoint,
        help="also send OTLP over HTTP, for example to http://localhost:4318",
    )
    demo.set_defaults(command=_demo)


def _listen(text: str) -> Listen:
    from exporter.config.kinds import LISTEN

    try:
        address: Listen | None = LISTEN.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if address is None:
        raise argparse.ArgumentTypeError("is empty; the demo is not worth much without its page")
    return address


def _endpoint(text: str) -> str:
    from exporter.config.kinds import URL
    from exporter.config.otel_env import metrics_url

    try:
        return metrics_url(URL.read(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _loop(work: Coroutine[None, None, _T]) -> _T:
    """Run to the end. Threads that asyncio would wait for are left behind by `_leave`."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(work)


def _obey_early() -> None:
    """SIGTERM and SIGINT end the process well from its first moment; a SIGHUP is too early."""

    def end(number: int, frame: FrameType | None) -> None:
        _leave(OK)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _help_begin(path: Path) -> None:
    """A first configuration, for somebody who has none."""
    if not path.exists():
        _say(f"{_FIRST_CONFIGURATION.format(path=path)}\n")


def _run(options: argparse.Namespace) -> int:
    _obey_early()
    _help_begin(options.config)
    from exporter.config.load import load

    def read() -> Config:
        config = load(options.config, os.environ)
        log.configure(config.log.level, config.log.format)
        return config

    config = read()
    log.log_uncaught()
    from exporter.daemon import Daemon

    async def work() -> int:
        daemon = Daemon(config, os.environ, read)
        daemon.install_signals()
        if options.once:
            return OK if await daemon.once() else FAILED
        await daemon.run()
        return OK

    return _loop(work())


def _check(options: argparse.Namespace) -> int:
    _help_begin(options.config)
    from exporter.check import check
    from exporter.config.load import load

    config = load(options.config, os.environ)
    log.configure("critical", "text")
    as_json = options.format == "json"
    works = _loop(check(config, options.config, os.environ, as_json=as_json))
    return OK if works else FAILED


def _books(options: argparse.Namespace) -> int:
    from exporter.config.load import load

    config = load(options.config, os.environ)
    log.configure("critical", "text")
    return OK if _loop(options.read(config, os.environ, options)) else FAILED


def _new_identity(options: argparse.Namespace) -> int:
    from exporter.config.load import load
    from exporter.new_identity import new_identity

    new_identity(load(options.config, os.environ).state.path)
    return OK


def _simulate(options: argparse.Namespace) -> int:
    from bytespike_simulator.cli import serve

    return _loop(serve(options))


def _demo(options: argparse.Namespace) -> int:
    _obey_early()
    from exporter.demo import demo

    log.configure("warning", "text")
    return _loop(demo(options.listen, options.otlp or ""))


def _metrics(options: argparse.Namespace) -> int:
    from exporter.metrics.metric_reference import render

    print(render(options.format), end="")
    return OK
