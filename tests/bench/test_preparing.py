"""The parts of `prepare` are timed in one pass, and each is set beside decoding."""

from pathlib import Path

import numpy as np

from smoothvid.bench import preparing
from smoothvid.bench.case import BenchSettings
from smoothvid.sampling.sinks import open_sink


def test_parts_are_of_the_same_pass(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with open_sink(path, 25.0) as sink:
        sink.write(np.random.default_rng(0).integers(0, 256, (5, 3, 96, 128), dtype=np.uint8))
    (tmp_path / "broken.mp4").write_bytes(path.read_bytes()[:200])
    seconds = preparing.part_seconds([str(path), str(tmp_path / "broken.mp4")], 64)
    assert list(seconds) == ["decoding", *preparing.PARTS] and all(0 < value < 1 for value in seconds.values())

    settings = BenchSettings(device="cpu", threads=1, videos=(str(path),))
    cases = list(preparing.prepare(settings))
    assert [case.name for case in cases[:2]] == [f"to {side}x{side}, 1 file, 1 processes" for side in preparing.SIDES]
    assert [case.name.split(",")[0] for case in cases[2:]] == [*preparing.PARTS, *preparing.PARTS]
    for case in cases[2:]:
        decoding, part = case.calls["floor"](), case.calls["ours"]()
        assert isinstance(part, float) and isinstance(decoding, float) and decoding > 0 < part
