from pathlib import Path

import pytest

from tests.deploy.promtool import Promtool


@pytest.fixture
def rules(promtool: Path, tmp_path: Path) -> Promtool:
    """The shipped rules, for stories."""
    return Promtool(promtool, tmp_path)
