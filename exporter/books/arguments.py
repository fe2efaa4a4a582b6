"""The command line of `reconcile` and `transactions`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from exporter.books.month import Month
from exporter.books.movements import transactions
from exporter.books.printed import FORMATS
from exporter.books.reconcile import reconcile_month
from exporter.books.request_found import reconcile_request
from exporter.config.types import Config


def add_arguments(reconcile: argparse.ArgumentParser, movements: argparse.ArgumentParser) -> None:
    """Give both commands their options; `read` of what is parsed runs them."""
    for parser in (reconcile, movements):
        parser.add_argument("--format", choices=FORMATS, default="table")
    which = reconcile.add_mutually_exclusive_group(required=True)
    which.add_argument("--request-id", metavar="ID", help="one request: its row and its cell")
    which.add_argument("--month", metavar="YYYY-MM", type=_month, help="a month's books")
    reconcile.set_defaults(read=_reconcile)
    movements.add_argument("--month", metavar="YYYY-MM", type=_month, required=True)
    movements.add_argument("--kind", help="of this kind only, such as topup")
    movements.set_defaults(read=_transactions)


def _month(text: str) -> Month:
    try:
        return Month.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _reconcile(
    config: Config, environ: Mapping[str, str], options: argparse.Namespace
) -> bool:
    if options.month is None:
        return await reconcile_request(config, environ, options.request_id, options.format)
    return await reconcile_month(config, environ, options.month, options.format)


async def _transactions(
    config: Config, environ: Mapping[str, str], options: argparse.Namespace
) -> bool:
    await transactions(config, environ, options.month, options.kind, options.format)
    return True
