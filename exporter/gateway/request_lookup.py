"""What the gateway billed for one request, at whichever of the documented addresses knows it."""

from __future__ import annotations

from collections.abc import Callable

from exporter.errors import BadRequestError, BadResponseError, GatewayError
from exporter.gateway.attempts import Requester
from exporter.gateway.questions import ADDRESSES
from exporter.gateway.readings import UsageRow
from exporter.gateway.rollup_answer import RollupAnswer
from exporter.gateway.usage_answer import UsageAnswer


async def find_request(
    requester: Requester, read: Callable[[bytes], UsageAnswer], request_id: str
) -> UsageRow | None:
    """The request's row; None where a log was asked and does not know it.

    Raises GatewayError, also where no address has a log.
    """
    asked = False
    problem: GatewayError | None = None
    for address in ADDRESSES:
        try:
            answer = await requester.ask(address, {"request_id": request_id}, read)
        except (BadRequestError, BadResponseError) as error:
            problem = problem or error
            continue
        if isinstance(answer, RollupAnswer):
            continue
        asked = True
        for row in answer.rows:
            if row.request_id == request_id:
                return row
    if asked:
        return None
    raise problem or BadResponseError(
        "the gateway answers with sums only: no address tells of single requests"
    )
