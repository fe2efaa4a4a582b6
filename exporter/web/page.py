"""The status page as one HTML document: no script, no request to anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec.structs import replace

from exporter import __version__
from exporter.ledger.totals import AccountTotals
from exporter.live import Live
from exporter.metrics import catalogue, snapshot
from exporter.metrics.payer import payer
from exporter.secrets import shown_url
from exporter.web import formats
from exporter.web.diagnosis import (
    Problem,
    account_problems,
    exporter_problems,
    grouped,
)
from exporter.web.figures import Points, Subject, Tone, by_account, worst
from exporter.web.key_table import SHOWN_KEYS, key_rows
from exporter.web.overview import shortest_runway, summarize, total_balance
from exporter.web.recognition import usage_words
from exporter.web.states import endpoint_state, exports_state
from exporter.web.style import STYLE
from exporter.web.tables import key_limits, model_limits, spend
from exporter.web.view import View

REFRESH_SECONDS = 10

_WORDS = {Tone.BAD: "Broken", Tone.WARN: "To look at", Tone.WAIT: "Waiting", Tone.OK: "Fine"}
"""What a tone is called where colour alone would have to say it."""

_BOLT = "M9 1 2 9.2h4.6L6 15l7.4-8.6H8.6z"
_COLOURS = {Tone.BAD: "#c8322b", Tone.WARN: "#b7710a", Tone.WAIT: "#66727f", Tone.OK: "#0b7a5c"}


def render(
    view: View, totals: Mapping[str, AccountTotals] | str, now: float, query: Mapping[str, str]
) -> tuple[int, str]:
    """Status and document at `now` (Unix s). `totals` may be the reason why there are none."""
    wanted = query.get("account")
    if wanted is None and len(view.live.accounts) == 1:
        wanted = next(iter(view.live.accounts))
    own = tuple(exporter_problems(view, totals if isinstance(totals, str) else None, now))
    if wanted is not None and wanted not in view.live.accounts:
        return 404, _write("missing.html", view, own, query, now, missing=wanted)
    subjects = _subjects(view, totals, now, wanted)
    problems = [account_problems(subject) for subject in subjects]
    everything = (*own, *(problem for found in problems for problem in found))
    rows = [summarize(*pair) for pair in zip(subjects, problems, strict=True)]
    if wanted is not None:
        return 200, _write("account.html", view, everything, query, now, summary=rows[0])
    overview = {
        "rows": sorted(rows, key=lambda row: row.urgency),
        "total": total_balance(subjects),
        "shortest": shortest_runway(subjects),
    }
    return 200, _write("overview.html", view, everything, query, now, **overview)


def _subjects(
    view: View, totals: Mapping[str, AccountTotals] | str, now: float, only: str | None = None
) -> tuple[Subject, ...]:
    """Every account as the snapshot shows it, without its usage series; or one alone, with them."""
    live, known = view.live, None if isinstance(totals, str) else totals
    if only is not None:
        live = Live(view.live.started_at)
        live.accounts[only] = view.live.accounts[only]
    elif known is not None:
        known = {name: replace(t, usage=(), billing=()) for name, t in known.items()}
    points = by_account(snapshot.take(live, known, now, everything=True))
    configured = {account.name: account for account in view.config.accounts}
    began: dict[str, float] = {}
    if known is not None:
        began = {name: known.get(name, AccountTotals()).counted_from for name in live.accounts}
    subjects = []
    for name, account in live.accounts.items():
        shown, whose = points.get(name) or Points(), configured.get(name)
        counted = (known or {}).get(name, AccountTotals())
        pays = payer(account, counted, now)
        rate = None if pays is None else pays.rate
        began_at = began.get(name)
        subjects.append(
            Subject(account, shown, began_at, whose, view.config, now, rate, counted.unit)
        )
    return tuple(subjects)


def _write(
    template: str,
    view: View,
    problems: tuple[Problem, ...],
    query: Mapping[str, str],
    now: float,
    **content: object,
) -> str:
    """The document: what every page has, around its content."""
    tone, state = exports_state(view, now)
    endpoint = view.config.otlp.endpoint
    refresh = query.get("refresh") != "off"
    kept = {name: query[name] for name in ("account", "page") if name in query}
    kept |= {"refresh": "off"} if refresh else {}
    worst_of_all = worst(*(problem.tone for problem in problems), tone)
    return _TEMPLATES.get_template(template).render(
        view=view,
        problems=grouped(problems),
        tone=worst_of_all,
        exports_tone=tone,
        exports_state=state,
        receiver=shown_url(endpoint) if endpoint else 'none: otlp.endpoint is ""',
        query=query,
        refresh=refresh,
        switch="/?" + urlencode(kept, errors="replace"),
        now=now,
        **content,
    )


def _finalize(value: object) -> object:
    """Every text that a template shows, before it is escaped; HTML of a macro is past this."""
    if isinstance(value, Markup):
        return value
    return formats.visible(value) if isinstance(value, str) else value


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    names = ("about", "ago", "ahead", "count", "instant", "money", "percent", "plural", "short")
    more = ("account_url", "seconds", "span", "time_of_day")
    environment.filters.update({name: getattr(formats, name) for name in (*names, *more)})
    environment.globals.update(
        bolt=_BOLT,
        colours=_COLOURS,
        endpoint_state=endpoint_state,
        key_limits=key_limits,
        key_rows=key_rows,
        shown_keys=SHOWN_KEYS,
        usage_words=usage_words,
        metrics=catalogue,
        model_limits=model_limits,
        refresh_seconds=REFRESH_SECONDS,
        spend_of=spend,
        style=Markup(STYLE),  # noqa: S704 - our own file
        version=__version__,
        words=_WORDS,
    )
    return environment


_TEMPLATES = _environment()
