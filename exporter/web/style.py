"""The page's style sheet. Its hash is in the security policy, so that no other style applies."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")

STYLE_HASH = "sha256-" + b64encode(sha256(STYLE.encode()).digest()).decode()
"""The style sheet as `Content-Security-Policy` names it."""
