"""`bytespike-exporter simulate`: the simulated gateway as a process."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
from dataclasses import fields

from bytespike_simulator.app import Simulator
from bytespike_simulator.options import Options
from bytespike_simulator.server import running

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_listen,
        default=("127.0.0.1", 8080),
        help="address to serve on; port 0 takes a free one (default 127.0.0.1:8080)",
    )
    parser.add_argument(
        "--control", action="store_true", help="add the control routes under /simulator/"
    )
    parser.epilog = "What is marked (start) cannot be changed later by the control routes."
    for spec in fields(Options):
        flag, text = f"--{spec.name.replace('_', '-')}", spec.metadata["help"]
        if isinstance(spec.default, bool):
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=spec.default, help=text
            )
            continue
        parser.add_argument(
            flag,
            type=_duration if spec.name == "history" else type(spec.default),
            choices=spec.metadata["choices"] or None,
            default=spec.default,
            help=f"{text} (default {'none' if spec.default == '' else spec.default})".replace(
                "%", "%%"
            ),
        )


async def serve(namespace: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; gives the exit code: 2 for unusable options, 1 if taken."""
    host, port = namespace.listen
    try:
        options = Options(**{spec.name: getattr(namespace, spec.name) for spec in fields(Options)})
    except ValueError as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    simulator = Simulator(options, control=namespace.control)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(simulator, host, port) as url:
            print(introduction(url, simulator), flush=True)
            living = asyncio.create_task(simulator.live())
            await stop.wait()
            living.cancel()
    except OSError as error:
        print(f"simulate: cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def introduction(url: str, simulator: Simulator) -> str:
    """What to type to use a simulated gateway at `url`. Its key is not a secret."""
    return f"""\
simulated gateway: {url}
API key: {simulator.api_key}

# config.yaml
gateway:
  base_url: {url}
accounts:
  - name: simulated
    api_key_env: BYTESPIKE_API_KEY

# export BYTESPIKE_API_KEY={simulator.api_key}
# bytespike-exporter run --config config.yaml"""


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30m, 24h or 2d")
    return float(match[1]) * _UNITS[match[2]]
