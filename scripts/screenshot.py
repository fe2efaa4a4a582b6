"""Take a picture of a page: `python -m scripts.screenshot URL OUT.png [--width …] [--dark]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.browser import Browser, BrowserError, find_chromium


def main() -> int:
    """Write the picture; 1 with a reason where that is not possible."""
    parser = argparse.ArgumentParser(description="Take a picture of a page in headless Chromium.")
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1120, help="CSS pixels (1120)")
    parser.add_argument("--height", type=int, default=900, help="CSS pixels (900)")
    parser.add_argument("--dark", action="store_true", help="as in dark mode")
    parser.add_argument("--whole", action="store_true", help="the whole page, whatever its height")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("screenshot: Chromium is not installed", file=sys.stderr)
        return 1
    try:
        with Browser(chromium) as browser:
            browser.open(options.url, options.width, options.height, options.dark)
            options.out.write_bytes(browser.screenshot(options.whole))
    except BrowserError as error:
        print(f"screenshot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
