"""What was recognized of how a gateway tells usage, in words: for the page and for `check`."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.gateway.readings import UsageShape
from exporter.gateway.recognized import FirstPage, UsageForm
from exporter.web.formats import plural

_SHAPES = {
    UsageShape.LOG: "the log, a row for each call",
    UsageShape.ROLLUP: "the rollup, a bucket for each hour, key and model",
    UsageShape.DAYS: "the rollup, by days",
}


def usage_words(usage: UsageForm) -> Iterator[tuple[str, str]]:
    """Pairs of what it is about and what was recognized."""
    yield "usage shape", f"{_SHAPES[usage.shape]}, at {usage.path}"
    if usage.page is not None:
        yield "usage rows", page_words(usage.page)
    if usage.buckets is not None:
        adds_up = {
            True: "which add up to the answer's totals",
            False: "which add up to less than the answer's totals: it was cut",
            None: "and no totals to hold them against",
        }
        yield "buckets", f"{plural(usage.buckets, 'bucket')}, {adds_up[usage.whole]}"


def page_words(page: FirstPage) -> str:
    """One page of a list, and what it says of the whole."""
    if page.total is None:
        said = f"{plural(page.rows, 'row')} on the first page, and no total"
    else:
        said = f"{page.rows:,} of {plural(page.total, 'row')} on the first page"
    sizes = [f"{page.asked} asked for"] if page.asked is not None else []
    if page.size not in (None, page.asked):
        sizes.append(f"pages of {page.size} by its own word")
    said += f" ({', '.join(sizes)})" if sizes else ""
    return said if page.order is None else f"{said}, {page.order}"
