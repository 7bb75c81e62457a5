"""Files of the stand-ins."""

from pathlib import Path
from typing import Any

import pytest

from .standins import load_standins, write_networks, write_videos


@pytest.fixture(scope="session")
def network_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both stand-ins."""
    folder = tmp_path_factory.mktemp("networks")
    write_networks(folder)
    return folder


@pytest.fixture(scope="session")
def networks(network_files: Path) -> dict[str, Any]:
    return load_standins(network_files)


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame folder with the real videos."""
    folder = tmp_path_factory.mktemp("real") / "videos"
    write_videos(folder)
    return folder
