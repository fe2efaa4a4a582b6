"""How model calls are answered in the forms that OpenAI's and Anthropic's SDKs read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Said(msgspec.Struct, frozen=True):
    """What a model said: one word for each token.

    `cut`: there would have been more. `usage`: a stream of chunks ends with the tokens used.
    """

    id: int
    created: int
    model: str
    words: tuple[str, ...]
    prompt: int
    cut: bool
    usage: bool


def models(names: Sequence[str]) -> bytes:
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "sim"} for name in names]
    return msgspec.json.encode({"object": "list", "data": data})


def completion(said: Said) -> bytes:
    """OpenAI's chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(said.words)},
        "finish_reason": "length" if said.cut else "stop",
    }
    return msgspec.json.encode(_completion(said, "", [choice]) | {"usage": _usage(said)})


def completion_events(said: Said) -> list[bytes]:
    """The same as events: the role, each word, why it ends, `[DONE]`."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in said.words), {}]
    reasons = [None] * (len(deltas) - 1) + ["length" if said.cut else "stop"]
    chunks = [
        _completion(said, ".chunk", [{"index": 0, "delta": delta, "finish_reason": reason}])
        for delta, reason in zip(deltas, reasons, strict=True)
    ]
    if said.usage:
        chunks.append(_completion(said, ".chunk", []) | {"usage": _usage(said)})
    return [
        *(b"data: %b\n\n" % msgspec.json.encode(chunk) for chunk in chunks),
        b"data: [DONE]\n\n",
    ]


def _completion(said: Said, kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{said.id}",
        "object": f"chat.completion{kind}",
        "created": said.created,
        "model": said.model,
        "choices": choices,
    }


def _usage(said: Said) -> dict[str, int]:
    return {
        "prompt_tokens": said.prompt,
        "completion_tokens": len(said.words),
        "total_tokens": said.prompt + len(said.words),
    }


def message(said: Said) -> bytes:
    """Anthropic's message."""
    text = [{"type": "text", "text": "".join(said.words)}]
    return msgspec.json.encode(_message(said, text, _reason(said), len(said.words)))


def message_events(said: Said) -> list[bytes]:
    """The same as events: the message without words, each word, why it ends."""
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": _message(said, [], None, 0)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": word},
            }
            for word in said.words
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": _reason(said), "stop_sequence": None},
            "usage": {"output_tokens": len(said.words)},
        },
        {"type": "message_stop"},
    ]
    return [
        f"event: {event['type']}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
        for event in events
    ]


def _message(said: Said, text: object, reason: str | None, output: int) -> dict[str, object]:
    return {
        "id": f"msg_{said.id}",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": text,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": said.prompt, "output_tokens": output},
    }


def _reason(said: Said) -> str:
    return "max_tokens" if said.cut else "end_turn"
