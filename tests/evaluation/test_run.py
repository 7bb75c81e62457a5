"""What is measured of what, what is refused, several columns and processes, and the command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from smoothvid.data.dataset import VideoDataset
from smoothvid.data.synthetic import make_world
from smoothvid.errors import CheckpointError, ConfigError, DataError
from smoothvid.evaluation.features import NETWORK_VERSION
from smoothvid.evaluation.groups import long_clips
from smoothvid.evaluation.run import EvalSettings, evaluate, open_source
from smoothvid.evaluation.smoothness import code_smoothness
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.sinks import open_sink
from smoothvid_cli.main import app

InMemory = Callable[..., Any]
RANDOM = EvalSettings(metrics=("random",), num_videos=20)


def test_a_model_is_measured_by_the_protocol(noise: Any, model: VideoModel) -> None:
    """Every clip another seed, at the dataset's rate, from the start asked for; told and written down."""
    told: list[tuple[int, int, str]] = []
    settings = EvalSettings(metrics=("random",), num_videos=20, seed=2, start=1000.0, truncation_psi=0.7)
    result = evaluate({"m": model}, noise, settings, on_progress=lambda *news: told.append(news)).result
    early, late = result["columns"]
    assert (early["start"], late["start"]) == (0.0, 1000.0) and early["metrics"] != late["metrics"]
    assert late["source"]["first_seed"] == 200_000 and late["source"]["truncation_psi"] == 0.7
    assert late["source"]["step"] == 2.0  # the dataset's rate, not the model's 50
    assert told[-1][:2] == (80, 80)
    assert result["metrics"]["rfid"]["samples"] == 140 and result["metrics"]["rfid_diff"]["samples"] == 120
    assert result["metrics"]["rfvd_16f"]["network"] == NETWORK_VERSION and result["protocol"]["data"]["videos"] == 40
    assert json.loads(json.dumps(result, allow_nan=False)) == json.loads(json.dumps(result))
    assert evaluate({"m": model}, noise, settings).result == result


def test_the_same_distribution_scores_like_the_floor(noise: Any, in_memory: InMemory) -> None:
    others = in_memory(np.random.default_rng(1).integers(0, 256, (40, 20, 3, 32, 32), np.uint8), "others")
    result = evaluate({"others": others}, noise, RANDOM).result
    for name in ("rfid", "rfid_diff", "rfvd_16f", "motion"):
        assert result["columns"][0]["metrics"][name] == pytest.approx(result["references"]["real"][name], rel=0.3)


def test_repeats_take_other_clips_and_tell_their_spread(noise: Any, model: VideoModel) -> None:
    single = [evaluate({"m": model}, noise, EvalSettings(metrics=("rfid",), num_videos=20, seed=n)) for n in (3, 4)]
    both = evaluate({"m": model}, noise, EvalSettings(metrics=("rfid",), num_videos=20, seed=3, repeats=2))
    values = [found.result["columns"][0]["metrics"]["rfid"] for found in single]
    column = both.result["columns"][0]
    assert values[0] != values[1]
    assert column["metrics"] == {"rfid": pytest.approx(np.mean(values))}
    assert column["spread"] == {"rfid": pytest.approx(np.std(values))}


def test_smoothness_is_measured_on_long_videos(model: VideoModel, in_memory: InMemory) -> None:
    """Of the same number and length on both sides; kinks at the start that is looked at."""
    worlds = [make_world("drive", seed) for seed in range(4)]
    frames = np.stack([[world.frame(float(t), 32) for t in range(40)] for world in worlds]).transpose(0, 1, 4, 2, 3)
    settings = EvalSettings(metrics=("smoothness",), long_videos=2, long_frames=64, start=500.0)
    found = evaluate({"m": model}, in_memory(frames), settings, show=True)
    early, late = found.result["columns"]
    assert found.result["metrics"]["reversal"]["videos"] == 2 and found.result["metrics"]["reversal"]["frames"] == 40
    assert set(early["metrics"]) == {"reversal", "jitter", "repetition", "sticking", "colour_drift", "kink"}
    for column in (early, late):
        exact = code_smoothness(model.generator.motion, [column["start"]])[0]["jump"]
        assert column["metrics"]["kink"] == pytest.approx(exact)
    assert found.result["references"]["real"]["reversal"] == 0
    assert [shown.clips.shape for shown in found.shown] == [(4, 40, 3, 32, 32), (9, 40, 3, 32, 32), (9, 40, 3, 32, 32)]
    assert all(shown.similarity is not None and shown.lags is not None for shown in found.shown)


def test_smoothness_of_a_single_video(model: VideoModel, in_memory: InMemory) -> None:
    frames = np.stack([make_world("drive", 0).frame(float(t), 32) for t in range(40)]).transpose(0, 3, 1, 2)[None]
    settings = EvalSettings(metrics=("reversal",), long_videos=2, long_frames=40)
    result = evaluate({"m": model}, in_memory(frames), settings).result
    assert result["references"]["real"] == {"reversal": 0} and "1 videos or more" in result["notes"][0]


def test_how_long_the_looked_at_videos_are() -> None:
    assert long_clips([96] * 64, 16, 128) == (96, 16)
    assert long_clips([1000] * 4, 16, 128) == (125, 16)  # enough windows for two sets
    assert long_clips([300, 20], 16, 128) == (64, 2)  # not shorter than that for the sake of number
    assert long_clips([40], 16, 128) == long_clips([40], 16, 10**18) == (40, 1)
    with pytest.raises(DataError, match="no video of the dataset has 8 frames"):
        long_clips([7, 5], 4, 128)


def test_too_few_clips_and_other_sizes_are_refused(noise: Any, model: VideoModel, in_memory: InMemory) -> None:
    many = EvalSettings(metrics=("random",), num_videos=30)
    with pytest.raises(DataError, match="40 clips of 16 frames.*--num-videos 20, or --allow-few"):
        evaluate({"m": model}, noise, many)
    few = evaluate({"m": model}, noise, EvalSettings(metrics=("random",), num_videos=30, allow_few=True)).result
    assert few["metrics"]["rfid"]["clips"] == 20 and "20 clips were compared instead of 30" in few["notes"][0]
    with pytest.raises(
        DataError, match="--num-videos 4 is too few. Distances over fewer than 16 clips are mostly chance"
    ):
        evaluate({"m": model}, noise, EvalSettings(metrics=("random",), num_videos=4))
    less = in_memory(noise.clips[:8], "less")
    with pytest.raises(DataError, match="less gives 8 clips .* Give more, or --allow-few"):
        evaluate({"less": less}, noise, EvalSettings(metrics=("random",), num_videos=20))
    fewer = evaluate({"less": less}, noise, EvalSettings(metrics=("random",), num_videos=9, allow_few=True)).result
    assert fewer["metrics"]["rfid"]["clips"] == 8 and "less gives 8 clips" in fewer["notes"][0]
    with pytest.raises(DataError, match="m is 32x32, but wide is 48x48; prepare"):
        evaluate({"m": model}, in_memory(np.zeros((40, 20, 3, 48, 48), np.uint8), "wide"), RANDOM)
    late = EvalSettings(metrics=("random",), num_videos=20, start=5.0)
    with pytest.raises(ConfigError, match="made already"):
        evaluate({"videos": noise}, noise, late)
    mixed = evaluate({"m": model, "videos": noise}, noise, late).result
    assert [(column["name"], column["start"]) for column in mixed["columns"]] == [("m", 0), ("m", 5.0), ("videos", 0)]
    assert "do not apply to videos" in mixed["notes"][0]
    wrong: list[dict[str, Any]] = [
        *({"num_videos": 2}, {"clip_frames": 4}, {"start": float("nan")}, {"metrics": ("fid",)}, {"metrics": ()}),
        *(
            {"repeats": 0},
            {"long_frames": 3},
            {"period": 1e12},
            {"start": 1e308},
            {"seed": 2**63},
            {"truncation_psi": 1e9},
        ),
    ]
    for values in wrong:
        with pytest.raises(ValueError, match="it needs to be from|no metric|no metrics"):
            EvalSettings(**values)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset `real`, and folders of video files: `moving` like it, and `still`."""
    from smoothvid.data.prepare import PrepareSettings, prepare
    from smoothvid.sampling.sinks import open_sink

    root = tmp_path_factory.mktemp("eval")
    settings = PrepareSettings(resolution=32, num_videos=12, num_frames=32, workers=1, format="png")
    prepare(["synthetic:drive"], root / "real", settings)
    for seed in range(6):
        world = make_world("drive", 100 + seed)
        moving = np.stack([world.frame(float(t), 32) for t in range(32)]).transpose(0, 3, 1, 2)
        for folder, frames in (("moving", moving), ("still", np.repeat(moving[:1], 32, axis=0))):
            (root / folder).mkdir(exist_ok=True)
            with open_sink(str(root / folder / f"{seed}.mp4"), 25.0) as sink:
                sink.write(torch.from_numpy(np.ascontiguousarray(frames)))
    return root


def test_the_command_on_several_folders_of_files(folders: Path) -> None:
    """Drawn videos written to files score far better against their dataset than still ones; the page has it all."""
    words = [
        folders / "moving",
        folders / "still",
        folders / "real",
        "--num-videos",
        "12",
        "--allow-few",
        "--json",
        "--quiet",
    ]
    arguments = ["eval", *map(str, words), "--out", str(folders / "page.html")]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    moving, still = json.loads(outcome.stdout)["columns"]
    assert moving["metrics"]["rfid_diff"] < 0.5 < still["metrics"]["rfid_diff"]
    assert still["metrics"]["motion"] < 0.1 < moving["metrics"]["motion"] < 2
    assert moving["source"]["files"] == 6
    page = (folders / "page.html").read_text()
    assert page.count("<video") == 3 and "rfid_<wbr>diff" in page
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, DataError) and "--force" in str(again.exception)


def test_the_table(folders: Path) -> None:
    words = ["eval", folders / "moving", folders / "real", "--num-videos", "12", "--allow-few"]
    table = CliRunner().invoke(app, [*map(str, words), "--metrics", "rfid,reversal"])
    lines = [line.split()[0] for line in table.stdout.splitlines() if line.strip()]
    assert table.exit_code == 0 and "not FID or FVD" in table.stdout and "data.fingerprint" not in table.stdout
    assert "rfid" in lines and "reversal" in lines and "motion" not in lines
    assert len([line for line in table.stderr.splitlines() if line.startswith("protocol: --out PAGE.html")]) == 1


def test_a_wrong_file_among_the_weights_does_not_matter_without_a_gpu(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"not it")
    words = [
        "eval",
        folders / "moving",
        folders / "real",
        "--weights",
        tmp_path,
        "--device",
        "cpu",
        "--dry-run",
        "--json",
    ]
    outcome = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert json.loads(outcome.stdout)["protocol"]["metrics"] == ["random", "smoothness"]


def test_sources_are_told_apart(folders: Path, tmp_path: Path) -> None:
    """Clips count however deep they lie; a model is one even with videos beside it, and a dataset, too."""
    (tmp_path / "by label" / "a").mkdir(parents=True)
    for source in (folders / "real").iterdir():
        (tmp_path / source.name).symlink_to(source)
    clip = tmp_path / "by label" / "a" / "0.mp4"
    shutil.copy(folders / "moving" / "0.mp4", clip)
    assert open_source(tmp_path / "by label") == tmp_path / "by label" and open_source(clip) == clip
    shutil.copy(clip, tmp_path)
    assert isinstance(open_source(tmp_path), VideoDataset)
    (tmp_path / "by label" / "model.safetensors").touch()
    with pytest.raises(CheckpointError):
        open_source(tmp_path / "by label")


def test_a_still_picture_is_no_clip(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "label").mkdir()
    for seed in range(4):
        shutil.copy(folders / "moving" / f"{seed}.mp4", tmp_path / "label" if seed % 2 else tmp_path)
    with open_sink(tmp_path / "still.mp4", 25.0) as sink:
        sink.write(np.zeros((1, 3, 32, 32), np.uint8))
    words = ["eval", tmp_path, folders / "real", "--num-videos", "4", "--metrics", "rfid", "--allow-few", "--json"]
    result = json.loads(CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False).stdout)
    assert (result["columns"][0]["source"]["stills"], result["columns"][0]["source"]["files"]) == (1, 5)
    assert "1 of the 5 files" in result["notes"][0] and "mostly chance" in result["notes"][1]


def test_wrong_words(folders: Path) -> None:
    real, moving = str(folders / "real"), str(folders / "moving")
    for words, message in (
        ([real], "last the dataset"),
        ([str(folders / "none"), real], "does not exist"),
        ([moving, real, "--metrics", "fid"], "no metric 'fid'"),
        ([moving, real, "--metrics", "rfid", "--features", "random"], "one of them"),
        ([moving, real, "--out", str(folders / "page.txt")], "ends in .html"),
        ([moving, real, "--out", str(folders / "no" / "page.html")], "make it first"),
    ):
        outcome = CliRunner().invoke(app, ["eval", *words])
        assert isinstance(outcome.exception, ConfigError | DataError) and message in str(outcome.exception)


def test_a_page_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "taken.html").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    for name, message in (("taken.html", "is a folder"), ("new.html", f"nothing can be written into {tmp_path}")):
        words = ["eval", str(tmp_path), str(tmp_path), "--force", "--out", str(tmp_path / name)]
        assert message in str(CliRunner().invoke(app, words).exception)


def test_two_processes_give_the_figures_of_one(folders: Path) -> None:
    words = ["eval", folders / "moving", folders / "real", "--num-videos", "11", "--long-videos", "3", "--allow-few"]
    command = [*map(str, words), "--json", "--quiet"]
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    results = []
    for start in ([], launcher):
        run = [sys.executable, "-m", *start, "smoothvid_cli.main", *command]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(run, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    one, two = results
    assert (one["protocol"].pop("processes"), two["protocol"].pop("processes")) == (1, 2)
    assert_equal(one, two)


def assert_equal(one: Any, two: Any) -> None:
    """Alike but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        one, two = list(one.values()), list(two.values())
    if isinstance(one, list):
        for a, b in zip(one, two, strict=True):
            assert_equal(a, b)
    else:
        assert one == (pytest.approx(two, rel=1e-9, abs=1e-12) if isinstance(two, float) else two)
