"""The model card: front matter as the Hub reads it, and figures that say how they were measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from smoothvid.errors import DataError
from smoothvid.exporting.card import Preview, model_card
from smoothvid.exporting.figures import read_figures
from smoothvid.sampling.model import ModelFacts

FACTS = ModelFacts(family="stylesv", config={}, resolution=64, fps=25, seen_clips=3000, label_names=("sky", "sea"))
PREVIEW = Preview(seeds=range(4), num_frames=64, truncation_psi=0.8)
RESULT = {
    "protocol": {
        "smoothvid": "0.1.0",
        "date": "2026-11-22",
        "resolution": 64,
        "fps": 25.0,
        "num_videos": 256,
        "clip_frames": 16,
        "truncation_psi": 1.0,
        "seed": 0,
        "repeats": 1,
        "data": {"path": "/home/me/secret", "fingerprint": "0123456789abcdef9", "videos": 64, "frames": 6144},
    },
    "metrics": {"rfid": "of ...", "rfvd_16f": "of ...", "motion": "of ..."},
    "columns": [
        {
            "name": "/home/me/runs/sky",
            "start": start,
            "source": {"family": "stylesv", "seen_clips": clips},
            "metrics": {"rfid": value, "rfvd_16f": None, "motion": 1.25},
            "spread": {"rfid": 0.013},
        }
        for start, clips, value in ((0.0, 3000, 0.11724), (1e5, 3000, 0.2), (0.0, 2000, 0.9))
    ],
    "references": {"real": {"rfid": 0.00586, "motion": 1.0}},
}


def front_matter(card: str) -> dict[str, Any]:
    """The little of YAML that a card needs: `key: word` and lists of words."""
    lines = card.split("---\n")[1].splitlines()
    assert card.startswith("---\n")
    found: dict[str, Any] = {}
    for line in lines:
        if line.startswith("- "):
            found[list(found)[-1]].append(line[2:])
        else:
            key, _, value = line.partition(":")
            found[key] = value.strip() or []
    return found


def test_front_matter() -> None:
    card = model_card("sky", FACTS, "cc-by-4.0", PREVIEW, None, False, ())
    found = front_matter(card)
    assert found["library_name"] == "smoothvid" and found["license"] == "cc-by-4.0"
    assert set(found["tags"]) >= {"video-generation", "class-conditional-video-generation", "stylesv"}
    assert "license" not in front_matter(model_card("sky", FACTS, None, PREVIEW, None, False, ()))


def test_what_the_card_says() -> None:
    card = model_card("sky", FACTS, None, PREVIEW, None, True, ("torch",))
    for words in ('smoothvid.load("sky")', "smoothvid sample sky ", "64 × 64", "25 frames", "3,000 clips", "sky, sea"):
        assert words in card
    assert "Seeds 0 to 3, 64 frames from time 0, truncation 0.8" in card
    assert "--init sky" in card and "(torch/README.md)" in card and "None is named" in card and "Figures" not in card


def test_figures(tmp_path: Path) -> None:
    (tmp_path / "eval.json").write_text(json.dumps(RESULT))
    card = model_card("sky", FACTS, None, PREVIEW, read_figures(tmp_path / "eval.json", FACTS), False, ())
    assert "| | this model | from frame 100,000 | real clips |" in card
    assert "| rfid | 0.1172 ± 0.013 | 0.2 ± 0.013 | 0.00586 |" in card
    assert "| rfvd_16f | - | - | - |" in card and "NOT FID" in card and "0.9" not in card
    assert "64 real videos (6,144 frames" in card and "0123456789abcdef)" in card
    assert "secret" not in card and "/home" not in card


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a result"),
        ("[1]", "not a result"),
        (json.dumps({"start": {}, "far": {}}), "not a result"),
        (json.dumps({**RESULT, "columns": RESULT["columns"][2:]}), "no stylesv model that has seen 3,000 clips"),  # type: ignore[index]
        (json.dumps({**RESULT, "columns": [{"source": {"path": "videos"}}]}), "no stylesv model"),
    ],
)
def test_what_is_no_result_of_this_model_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "eval.json").write_text(content)
    with pytest.raises(DataError, match=words):
        read_figures(tmp_path / "eval.json", FACTS)
