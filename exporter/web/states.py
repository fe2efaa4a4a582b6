"""How polls and exports go, in a word each."""

from __future__ import annotations

from exporter.status import EndpointStatus
from exporter.web.diagnosis import export_problems
from exporter.web.figures import Tone, worst
from exporter.web.view import View


def endpoint_state(status: EndpointStatus, now: float) -> tuple[Tone, str]:
    """How an endpoint's polls go, in a word."""
    if status.optional and status.last_error is not None:
        return (Tone.OK, "not given")
    if status.behind is not None and status.last_error is None:
        return (Tone.WAIT, "catching up")
    if status.up is None:
        return (Tone.WAIT, "not polled yet")
    if status.last_success is None:
        return (Tone.BAD, "never answered")
    if status.stale(now):
        return (Tone.BAD, "stale")
    return (Tone.WARN, "failing") if status.last_error is not None else (Tone.OK, "fine")


def exports_state(view: View, now: float) -> tuple[Tone, str]:
    """How the OTLP exports go, in a word."""
    if not view.config.otlp.endpoint:
        return (Tone.OK, "turned off")
    if problems := tuple(export_problems(view, now)):
        return (worst(*(problem.tone for problem in problems)), "failing")
    if view.live.exports.last_success is None:
        return (Tone.WAIT, "waiting for the first export")
    return (Tone.OK, "fine")
