"""Models, with plausible names, prices and sizes of calls."""

from __future__ import annotations

from dataclasses import dataclass

_MODELS = (
    ("claude-sonnet-4-6", 3000, 15000, 1800.0, 320.0),
    ("gpt-5-4", 2500, 15000, 1200.0, 260.0),
    ("claude-haiku-4-5", 1000, 5000, 2400.0, 180.0),
    ("veo-3-1", 0, 0, 0.0, 0.0),
    ("gemini-3-pro", 2000, 12000, 3100.0, 240.0),
    ("deepseek-v3-2", 280, 420, 1500.0, 500.0),
    ("text-embedding-3-large", 130, 0, 900.0, 0.0),
)


@dataclass
class Model:
    """One model. Prices in credits per 1,000 tokens.

    `prompt` and `completion` are median tokens of a call. A model without prices is
    asynchronous video, billed per clip. `cap` and `used` are lifetime credits.
    """

    id: str
    input_price: int
    output_price: int
    prompt: float
    completion: float
    cap: int | None = None
    used: int = 0

    @property
    def video(self) -> bool:
        """Whether a call is a task that settles minutes or hours later."""
        return not self.input_price and not self.output_price

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Credits for that many tokens, rounded up."""
        total = prompt_tokens * self.input_price + completion_tokens * self.output_price
        return -(-total // 1000)


def make_models(count: int) -> list[Model]:
    """`count` models: known names first, then variants of them."""
    models = []
    for index in range(count):
        name, input_price, output_price, prompt, completion = _MODELS[index % len(_MODELS)]
        suffix = f"-r{index // len(_MODELS) + 1}" if index >= len(_MODELS) else ""
        models.append(Model(f"{name}{suffix}", input_price, output_price, prompt, completion))
    return models
