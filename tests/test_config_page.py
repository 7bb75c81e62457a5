"""What docs/config.md shows is so."""

import re
from pathlib import Path

import pytest

from smoothvid.errors import ConfigError
from smoothvid.run_config import resolve

PAGE = (Path(__file__).parents[1] / "docs" / "config.md").read_text(encoding="utf-8")


def test_the_settings_shown_exist(tmp_path: Path) -> None:
    sets = re.findall(r"--set (\S+=[^\s`]+)", PAGE)
    assert len(sets) >= 6
    resolve(sets=[text for text in sets if text != "section.key=value"])
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    (tmp_path / "mine.toml").write_text(example[1])
    config = resolve(config=tmp_path / "mine.toml")
    assert config.train.batch == 16 and config.model.motion.kind == "bspline"


@pytest.mark.parametrize("value", ["model.motoin.kind=linear", "model.motion.kind=cubic", "train.batch='16'"])
def test_the_messages_shown_are_the_messages(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(sets=[value])
    assert f"error: {caught.value}" in PAGE.splitlines()
