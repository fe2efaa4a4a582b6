"""`state new-identity`: what a state file needs that was copied, or put back from a backup."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from exporter.errors import StateError
from exporter.ledger.store import Store
from exporter.web.formats import plural


def new_identity(path: Path) -> None:
    """Begin a new instance id and new streams, and say so. Raises StateError.

    Not while an exporter holds the file: that would go on sending under the old one.
    """
    if not path.exists():
        raise StateError(
            f"{path} does not exist: the first run makes it, with an identity of its own"
        )
    with closing(Store(path)) as store:
        before = store.instance_id
        accounts = store.begin_identity()
        print(f"{path} has a new identity: {store.instance_id} (before: {before}).")
    print(f"{plural(accounts, 'account')} will be counted anew from the next start on. What was")
    print("counted before stays in the file and with the receivers, and is shown no more.")
