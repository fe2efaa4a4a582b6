"""The bare loop that catching up is compared with: httpx and `json.loads`, nothing else.

`python bare.py URL KEY SINCE ROWS` reads the log from SINCE (an ISO timestamp), 200 rows a page,
adds up what was charged, and fails unless there were that many ROWS.
"""

from __future__ import annotations

import json
import sys

import httpx

PAGE_SIZE = 200


def read(url: str, key: str, since: str) -> tuple[int, int]:
    """How many rows the log has, and the credits of all of them."""
    rows = credits = 0
    page = 1
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}) as client:
        while True:
            params: dict[str, str | int] = {"since": since, "limit": PAGE_SIZE, "page": page}
            answer = client.get(f"{url}/api/v1/me/usage", params=params)
            items = json.loads(answer.content)["items"]
            rows += len(items)
            credits += sum(item["credits"] for item in items)
            if len(items) < PAGE_SIZE:
                return rows, credits
            page += 1


if __name__ == "__main__":
    found, _ = read(*sys.argv[1:4])
    sys.exit(None if found == int(sys.argv[4]) else f"{found} rows")
