"""Reading in this process where the process boundary is not the point: a child takes seconds to start."""

import io
from pathlib import Path

import pytest

from smoothvid.importing import checkpoint
from smoothvid.importing.networks import read_networks
from smoothvid.importing.read import Contents, grouped
from smoothvid.importing.records import unpickle


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import_snapshot` reads without a child."""

    def read(path: Path) -> Contents:
        data = path.read_bytes()
        return grouped(*read_networks(unpickle(io.BytesIO(data)), len(data)))

    monkeypatch.setattr(checkpoint, "read_snapshot", read)
