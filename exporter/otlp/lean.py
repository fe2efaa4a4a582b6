"""`requests`, without the detectors of character sets that it loads wherever it finds them.

They take 3 MiB, a sixteenth of the process, and guess at text without a declared encoding, of
which an OTLP answer has none. `requests` works without them, and warns about it when imported.
"""

from __future__ import annotations

import sys
import warnings

_absent = {"chardet", "charset_normalizer"} - sys.modules.keys()
for _name in _absent:
    sys.modules[_name] = None  # type: ignore[assignment]  # Python's word for "cannot be imported"
try:
    with warnings.catch_warnings(action="ignore"):
        import requests
        from requests.adapters import HTTPAdapter
finally:
    for _name in _absent:
        del sys.modules[_name]

__all__ = ["HTTPAdapter", "requests"]
