"""From video files to a dataset and back: which frames arrive, what is skipped and why, and going on after kill -9."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.data.prepare import NothingUsable, PrepareReport, PrepareSettings, prepare
from smoothvid.errors import ConfigError, DataError

MakeClip = Callable[..., Path]
SMALL = dict(resolution=16, min_frames=4, workers=1, scene_cuts=False)


def settings(**changes: object) -> PrepareSettings:
    return PrepareSettings(**SMALL | changes)  # type: ignore[arg-type]


def counting_frames(count: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """Flat grey frames whose brightness is 20 and 5 more for each."""
    return [np.full((height, width, 3), 20 + 5 * number, np.uint8) for number in range(count)]


def numbers_of(dataset_folder: Path, video: int = 0) -> list[int]:
    """Which counting frames a dataset holds."""
    dataset = open_dataset(dataset_folder)
    frames = dataset.read(video, range(dataset.videos[video].num_frames))
    return [round((float(frame.mean()) - 20) / 5) for frame in frames]


def reasons(report: PrepareReport) -> dict[str, str]:
    return {row.source: row.reason for row in report.rows}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_frame_of_a_constant_rate_clip_arrives_in_order(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", counting_frames(40), fps=25)
    report = prepare([clip], tmp_path / "set", settings())
    assert (report.used, report.skipped, report.num_frames, report.fps) == (1, 0, 40, 25.0)
    assert numbers_of(tmp_path / "set") == list(range(40))
    record = open_dataset(tmp_path / "set").videos[0]
    assert (record.name, record.source, record.start) == ("clip", "clip.mp4", 0.0)
    assert record.end == pytest.approx(1.6)
    assert open_dataset(tmp_path / "set").resolution == 16


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (25.0, list(range(20))),
        (12.5, list(range(0, 20, 2))),
        (50.0, [number // 2 for number in range(40)]),
        (10.0, [0, 2, 5, 7, 10, 12, 15, 17]),  # at 0, 100, 200 ... ms; frames begin every 40 ms
    ],
)
def test_resampling_takes_the_frame_that_is_on_show(
    make_clip: MakeClip, tmp_path: Path, fps: float, expected: list[int]
) -> None:
    clip = make_clip("clip.mp4", counting_frames(20), fps=25)
    report = prepare([clip], tmp_path / "set", settings(fps=fps))
    assert report.fps == fps
    assert numbers_of(tmp_path / "set") == expected


def test_variable_rates_keep_their_time(make_clip: MakeClip, tmp_path: Path) -> None:
    times = [*range(0, 400, 40), *range(400, 2000, 200)]  # 10 frames at 25 fps, then 8 at 5 fps
    clip = make_clip("vfr.mkv", counting_frames(18), times_ms=times)
    on_show = [max(number for number, start in enumerate(times) if start <= time + 9) for time in range(0, 1840, 40)]
    for fps, step in ((None, 1), (25.0, 1), (12.5, 2)):
        report = prepare([clip], tmp_path / "set", settings(fps=fps), force=True)
        assert report.fps == pytest.approx(fps or 25, abs=0.01)
        assert numbers_of(tmp_path / "set")[: len(on_show[::step])] == on_show[::step]


def test_damaged_time_stamps_do_not_fill_the_disk(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("jump.mkv", counting_frames(20), times_ms=[*range(0, 760, 40), 36_000_000])
    with pytest.raises(NothingUsable, match="time stamps are broken .20 frames over 36000 s"):
        prepare([clip], tmp_path / "set", settings())


def test_two_runs_do_not_work_in_one_place(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", counting_frames(8))
    (tmp_path / ".set.partial").mkdir()
    with open(tmp_path / ".set.partial" / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="Another run is at work"):
            prepare([clip], tmp_path / "set", settings())
    assert prepare([clip], tmp_path / "set", settings()).used == 1


def test_subfolders_with_videos_become_labels(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in ("in/sea/a.mp4", "in/sea/deep/b.mp4", "in/land/a.mp4", "in/c.mp4"):
        make_clip(name, counting_frames(6))
    (tmp_path / "in" / "empty").mkdir()
    prepare([tmp_path / "in"], tmp_path / "set", settings())
    dataset = open_dataset(tmp_path / "set")
    assert dataset.label_names == ["land", "sea"]
    labels = {video.source: (video.label, dataset.label(n).tolist()) for n, video in enumerate(dataset.videos)}
    assert labels == {
        "in/c.mp4": (None, [0.0, 0.0]),
        "in/land/a.mp4": ("land", [1.0, 0.0]),
        "in/sea/a.mp4": ("sea", [0.0, 1.0]),
        "in/sea/deep/b.mp4": ("sea", [0.0, 1.0]),
    }
    assert len({video.name for video in dataset.videos}) == 4


def test_one_subfolder_is_no_label(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("in/sea/a.mp4", counting_frames(6))
    make_clip("in/b.mp4", counting_frames(6))
    prepare([tmp_path / "in"], tmp_path / "set", settings())
    dataset = open_dataset(tmp_path / "set")
    assert dataset.label_dim == 0 and dataset.label(0).shape == (0,)


def test_frame_folders_are_videos(tmp_path: Path) -> None:
    for number, frame in enumerate(counting_frames(12)):
        (tmp_path / "in" / "walk").mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(tmp_path / "in" / "walk" / f"frame_{number}.png")
    report = prepare([tmp_path / "in"], tmp_path / "set", settings(fps=10.0, format="png"))
    assert [row.source for row in report.rows] == ["in/walk"]
    assert numbers_of(tmp_path / "set") == list(range(12))
    with zipfile.ZipFile(tmp_path / "set" / "frames-00000.zip") as shard:
        assert shard.namelist()[10] == "walk/000010.png"
        assert {entry.compress_type for entry in shard.infolist()} == {zipfile.ZIP_STORED}


def test_every_shard_is_a_dataset_for_others(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", counting_frames(10))
    prepare([clip], tmp_path / "set", settings())
    alone = open_dataset(tmp_path / "set" / "frames-00000.zip")
    assert np.array_equal(alone.read(0, range(10)), open_dataset(tmp_path / "set").read(0, range(10)))


def test_long_datasets_have_several_shards(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [make_clip(f"{count}.mp4", counting_frames(count)) for count in (6, 4, 5, 20)]
    monkeypatch.setattr("smoothvid.data.shards.MAX_SHARD_FRAMES", 10)
    prepare(clips, tmp_path / "set", settings())
    dataset = open_dataset(tmp_path / "set")
    assert [video.shard[-6:] for video in dataset.videos] == ["00.zip", "00.zip", "01.zip", "02.zip"]
    for video, count in enumerate((6, 4, 5, 20)):
        assert numbers_of(tmp_path / "set", video) == list(range(count))


def test_scenes_become_videos(make_clip: MakeClip, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [np.repeat(np.repeat(rng.integers(0, 255, (8, 8, 3)), 8, 0), 8, 1).astype(np.uint8) for _ in range(3)]
    frames = [picture for picture, count in zip(pictures, (20, 2, 30), strict=True) for _ in range(count)]
    clip = make_clip("cut.mp4", frames, fps=10)
    report = prepare([clip], tmp_path / "set", settings(scene_cuts=True))
    assert reasons(report) == {"cut.mp4": "3 scenes, 1 of them too short"}
    videos = open_dataset(tmp_path / "set").videos
    assert [(video.name, video.num_frames) for video in videos] == [("cut-000", 20), ("cut-001", 30)]
    assert [(video.start, video.end) for video in videos] == [(0.0, 2.0), (2.2, 5.2)]
    whole = prepare([clip], tmp_path / "whole", settings(scene_cuts=False))
    assert (whole.num_videos, whole.num_frames) == (1, 52)


def test_what_is_skipped_and_why(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("in/good ünï 雲 & (1).MP4", counting_frames(8))
    make_clip("in/short.mp4", counting_frames(3))
    make_clip("in/tiny.mp4", counting_frames(8, height=6, width=8))
    (tmp_path / "in" / "empty.mp4").touch()
    (tmp_path / "in" / "._good.mp4").write_bytes(b"x")
    (tmp_path / "in" / "notes.txt").write_text("no video")
    (tmp_path / "in" / "folder.mp4").mkdir()
    report = prepare([tmp_path / "in"], tmp_path / "set", settings())
    assert reasons(report) == {
        "in/empty.mp4": "is empty (0 bytes)",
        "in/folder.mp4": "is an empty folder, not a file",
        "in/good ünï 雲 & (1).MP4": "",
        "in/short.mp4": "too short (3 frames; at least 4 needed)",
        "in/tiny.mp4": "too small (8x6; the short side is less than half of 16; --upscale takes it all the same)",
    }
    assert (report.used, report.skipped, report.ignored) == (1, 4, 1)
    assert open_dataset(tmp_path / "set").videos[0].name == "good ünï 雲 & (1)"
    assert prepare([tmp_path / "in"], tmp_path / "up", settings(upscale=True)).used == 2


def test_nothing_usable_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"nonsense")
    with pytest.raises(NothingUsable, match="broken.mp4 cannot be used .cannot be opened") as error:
        prepare([tmp_path / "broken.mp4"], tmp_path / "set", settings())
    assert error.value.report.rows[0].reason.startswith("cannot be opened")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]


def test_a_missing_source_and_an_occupied_place_are_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", counting_frames(8))
    with pytest.raises(DataError, match="nowhere does not exist"):
        prepare([tmp_path / "nowhere"], tmp_path / "set", settings())
    prepare([clip], tmp_path / "set", settings())
    with pytest.raises(DataError, match="exists already"):
        prepare([clip], tmp_path / "set", settings())
    assert prepare([clip], tmp_path / "set", settings(resolution=8), force=True).used == 1
    assert open_dataset(tmp_path / "set").resolution == 8
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="is no dataset; it is left alone"):
        prepare([clip], tmp_path / "mine", settings(), force=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    (tmp_path / "set" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="holds more than a dataset .for example thesis.txt"):
        prepare([clip], tmp_path / "set", settings(), force=True)
    assert (tmp_path / "set" / "thesis.txt").exists()


def test_a_dry_run_writes_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("in/a.mp4", counting_frames(20))
    (tmp_path / "in" / "b.mp4").write_bytes(b"nonsense")
    report = prepare([tmp_path / "in"], tmp_path / "set", settings(fps=12.5), dry_run=True)
    assert (report.used, report.skipped, report.num_frames) == (1, 1, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_max_frames_is_a_limit(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", counting_frames(20))
    report = prepare([clip], tmp_path / "set", settings(max_frames=7))
    assert reasons(report) == {"clip.mp4": "only its first 7 frames are taken"}
    assert numbers_of(tmp_path / "set") == list(range(7))


def test_damage_in_the_middle_costs_the_rest_of_the_file_only(make_clip: MakeClip, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-15, 15, (64, 96, 3))
    clip = make_clip("clip.mkv", [(frame + noise).astype(np.uint8) for frame in counting_frames(20)], codec="ffv1")
    data = bytearray(clip.read_bytes())
    middle, length = len(data) // 2, len(data) // 6
    data[middle : middle + length] = np.random.default_rng(1).bytes(length)
    clip.write_bytes(data)
    report = prepare([clip], tmp_path / "set", settings())
    assert "decoding fails after 0." in reasons(report)["clip.mkv"]
    numbers = numbers_of(tmp_path / "set")
    assert 4 <= len(numbers) < 20 and numbers == list(range(len(numbers)))


def test_static_videos_are_used_with_a_warning(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("still.mp4", [np.full((32, 32, 3), 90, np.uint8)] * 10)
    report = prepare([clip], tmp_path / "set", settings())
    assert reasons(report) == {"still.mp4": "static: nothing moves"}
    assert report.used == 1 and any("do not move" in warning for warning in report.warnings)


def test_different_rates_give_a_warning_unless_fps_is_given(make_clip: MakeClip, tmp_path: Path) -> None:
    clips = [make_clip("a.mp4", counting_frames(40), fps=25), make_clip("b.mp4", counting_frames(12), fps=10)]
    report = prepare(clips, tmp_path / "set", settings())
    assert report.fps == 25.0 and any("--fps" in warning for warning in report.warnings)
    report = prepare(clips, tmp_path / "set", settings(fps=5.0), force=True)
    assert report.fps == 5.0 and report.warnings == []
    assert [row.frames for row in report.rows] == [8, 6]


def test_synthetic_worlds(tmp_path: Path) -> None:
    from smoothvid.data.synthetic import make_world

    chosen = settings(resolution=32, num_videos=2, num_frames=5, seed=7, format="png")
    report = prepare(["synthetic:shapes"], tmp_path / "set", chosen)
    assert (report.num_videos, report.num_frames) == (2, 10)
    world = make_world("shapes", 8)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.fps == world.fps
    assert np.array_equal(dataset.read(1, [3])[0].transpose(1, 2, 0), world.frame(3.0, 32))


@pytest.mark.parametrize(
    "changes",
    [{"resolution": 0}, {"fps": 0.0}, {"quality": 101}, {"crop": "left"}, {"timeout": 1e308}, {"num_videos": 10**12}],
)
def test_wrong_settings_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        settings(**changes)


RUN = """
import sys
from smoothvid.data.prepare import PrepareSettings, prepare

settings = PrepareSettings(resolution=64, min_frames=4, workers=1)
prepare([sys.argv[1]], sys.argv[2], settings, on_progress=lambda *what: print(*what, flush=True))
"""  # without a guard: children must not run it again


def test_goes_on_after_kill_and_gives_the_same_bytes(make_clip: MakeClip, tmp_path: Path) -> None:
    for number in range(8):
        make_clip(f"in/{number}.mp4", counting_frames(30 + number, height=240, width=320))
    script = tmp_path / "run.py"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(tmp_path / "in")]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}

    killed = subprocess.Popen([*command, str(tmp_path / "set")], stdout=subprocess.PIPE, text=True, env=environment)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("3 8"):
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait()
    killed.stdout.close()
    assert not (tmp_path / "set").exists()
    time.sleep(0.5)  # its child notices and leaves

    again = subprocess.run([*command, str(tmp_path / "set")], capture_output=True, text=True, env=environment)
    assert again.returncode == 0, again.stderr
    going_on = again.stdout.splitlines()[0]
    assert "going on after" in going_on and 3 <= int(going_on.split()[0]) < 8
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True, env=environment)
    assert files_of(tmp_path / "set") == files_of(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "run.py", "set", "whole"}


def test_other_settings_do_not_mix_with_what_was_left(make_clip: MakeClip, tmp_path: Path) -> None:
    clips = [make_clip(f"{number}.mp4", counting_frames(8)) for number in range(2)]

    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(clips, tmp_path / "set", settings(crop="fit", workers=1), stop)
    assert (tmp_path / ".set.partial").exists() and not (tmp_path / "set").exists()
    messages: list[str] = []
    prepare(clips, tmp_path / "set", settings(crop="center"), lambda done, total, message: messages.append(message))
    assert not any("going on" in message for message in messages)
    prepare(clips, tmp_path / "fresh", settings(crop="center"))
    assert files_of(tmp_path / "set") == files_of(tmp_path / "fresh")


def test_the_index_is_all_that_opening_reads(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", counting_frames(8))
    prepare([clip], tmp_path / "set", settings())
    shard = tmp_path / "set" / "frames-00000.zip"
    shard.write_bytes(bytes(shard.stat().st_size))
    dataset = open_dataset(tmp_path / "set")
    assert dataset.num_frames == 8
    with pytest.raises(DataError, match="frames-00000.zip"):
        dataset.read(0, [0])


@pytest.mark.parametrize("damage", ["missing shard", "short shard", "torn index", "foreign shard", "other version"])
def test_a_damaged_dataset_is_refused_in_one_line(make_clip: MakeClip, tmp_path: Path, damage: str) -> None:
    clip = make_clip("clip.mp4", counting_frames(8))
    prepare([clip], tmp_path / "set", settings())
    index, shard = tmp_path / "set" / "dataset.json", tmp_path / "set" / "frames-00000.zip"
    content = json.loads(index.read_text("utf-8"))
    if damage == "missing shard":
        shard.unlink()
    elif damage == "short shard":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "torn index":
        index.write_text(index.read_text("utf-8")[:-100], "utf-8")
    elif damage == "foreign shard":
        content["shards"][0]["name"] = content["videos"][0]["shard"] = "../frames-00000.zip"
        index.write_text(json.dumps(content), "utf-8")
    else:
        content["version"] = 99
        index.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path / "set")
    assert str(tmp_path / "set") in str(error.value) and "\n" not in str(error.value)
