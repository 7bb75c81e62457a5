"""Frames and times of video files, against clips whose contents are known."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from smoothvid.data.resize import to_square
from smoothvid.data.video_io import frame_rate, probe_video, read_video
from smoothvid.errors import DataError

MakeClip = Callable[..., Path]
MakeFilm = Callable[..., Path]


@pytest.fixture
def make_film(tmp_path: Path) -> MakeFilm:
    """A file with one or more streams of 20 frames at 25 per second, a bar moving right by 4 pixels each."""

    def make(
        name: str,
        sizes: list[tuple[int, int]],
        codec: str,
        form: str | None = None,
        options: dict[str, str] | None = None,
        cover: int | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", format=form) as container:
            streams = []
            for number, (width, height) in enumerate(sizes):
                stream = container.add_stream(codec, rate=25, options=options or {})
                stream.width, stream.height = width, height
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                if number == cover:
                    stream.disposition = Disposition.attached_pic
                streams.append(stream)
            for stream in streams:
                for number in range(1 if stream.index == cover else 20):
                    frame = np.zeros((stream.height, stream.width, 3), np.uint8)
                    frame[:, 4 * number : 4 * number + 8, 1] = 200
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
                container.mux(stream.encode())
        return path

    return make


def halves(height: int, width: int, count: int = 3) -> list[np.ndarray]:
    """Frames whose left half is red and whose right half is blue."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, : width // 2, 0] = 220
    frame[:, width // 2 :, 2] = 220
    return [frame] * count


def turn_by_metadata(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix (a b / c d) in the track header of an mp4."""
    a, b, c, d = matrix
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    rows = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((0, 1, -1, 0), "top"),  # a quarter clockwise: what was left is above
        ((-1, 0, 0, -1), "right"),
        ((0, -1, 1, 0), "bottom"),
    ],
)
def test_rotation_metadata_is_applied(make_clip: MakeClip, matrix: tuple[int, int, int, int], corner: str) -> None:
    path = make_clip("turned.mp4", halves(48, 96))
    turn_by_metadata(path, matrix)
    _, frame = next(read_video(path))
    assert frame.shape[:2] == ((48, 96) if corner == "right" else (96, 48))
    assert probe_video(path).height == frame.shape[0]
    red_at = {"top": (4, 24), "bottom": (91, 24), "right": (24, 91)}[corner]
    blue_at = {"top": (91, 24), "bottom": (4, 24), "right": (24, 4)}[corner]
    assert frame[red_at][0] > 180 > 60 > frame[red_at][2]
    assert frame[blue_at][2] > 180 > 60 > frame[blue_at][0]


def test_variable_times_are_told_as_they_are(make_clip: MakeClip) -> None:
    times = [0, 40, 80, 120, 160, 200, 600, 1000, 1400]
    path = make_clip("vfr.mkv", [np.full((32, 32, 3), 100, np.uint8)] * len(times), times_ms=times)
    info = probe_video(path)
    assert not info.constant_rate and info.fps == pytest.approx(25, rel=0.01)
    assert info.times * 1000 == pytest.approx(times, abs=1)
    assert [time * 1000 for time, _ in read_video(path)] == pytest.approx(times, abs=1)


def test_rounded_gif_delays_count_as_constant() -> None:
    fps, constant = frame_rate(np.array([0.0, 0.13, 0.25, 0.38, 0.50, 0.63]))
    assert constant and fps == pytest.approx(5 / 0.63, rel=1e-6)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
def test_pixel_formats_keep_brightness(make_clip: MakeClip, pix_fmt: str) -> None:
    levels = [0, 60, 128, 200, 255]
    frames = [np.full((32, 48, 3), level, np.uint8) for level in levels]
    path = make_clip("levels.mkv", frames, pix_fmt=pix_fmt)
    for level, (_, frame) in zip(levels, read_video(path), strict=True):
        assert frame.dtype == np.uint8 and frame.shape == (32, 48, 3)
        assert np.abs(frame.astype(int) - level).max() <= 4
        assert np.ptp(frame.astype(int), axis=2).max() <= 2  # still grey


def test_transparent_gif_lies_on_black(tmp_path: Path) -> None:
    frames = []
    for shift in range(3):
        image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
        image.paste((250, 250, 0, 255), (shift, 8, shift + 16, 24))
        frames.append(image)
    path = tmp_path / "alpha.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, disposal=2)
    shown = [frame for _, frame in read_video(path)]
    assert len(shown) == 3
    assert shown[0][16, 8].tolist() == [250, 250, 0]
    assert shown[0][2, 2].tolist() == [0, 0, 0]


def test_odd_sizes_have_no_skewed_rows(make_clip: MakeClip) -> None:
    ramp = np.broadcast_to(np.linspace(20, 230, 161).astype(np.uint8)[None, :, None], (91, 161, 3))
    path = make_clip("odd.mkv", [np.ascontiguousarray(ramp)] * 2, pix_fmt="yuv444p")
    _, frame = next(read_video(path))
    assert frame.shape == (91, 161, 3)
    assert np.abs(frame.astype(int) - ramp.astype(int)).max() <= 8


def test_frames_not_wanted_are_not_given(make_clip: MakeClip) -> None:
    path = make_clip("ten.mp4", [np.full((32, 32, 3), 100, np.uint8)] * 10, fps=10)
    assert [round(time, 3) for time, _ in read_video(path, wanted=lambda time: time >= 0.65)] == [0.7, 0.8, 0.9]


def test_a_playlist_that_names_other_files_is_not_followed(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("clip.mp4", [np.full((32, 32, 3), 100, np.uint8)] * 3)
    for name, text in {
        "concat.mp4": f"ffconcat version 1.0\nfile {clip.name}\n",
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip.name}\n#EXT-X-ENDLIST\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="cannot be opened"):
            probe_video(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("a.ts", "libx264"), ("a.mts", "libx264"), ("a.m2ts", "libx264"), ("a.3gp", "libx264"), ("a.wmv", "wmv2")),
        *(("a.flv", "flv1"), ("a.mpg", "mpeg2video"), ("a.vob", "mpeg2video"), ("a.mxf", "mpeg2video")),
    ],
)
def test_containers_that_cameras_and_discs_use(make_film: MakeFilm, name: str, codec: str) -> None:
    path = make_film(name, [(96, 64)], codec, {".mts": "mpegts", ".m2ts": "mpegts"}.get(Path(name).suffix))
    info = probe_video(path)
    times, frames = zip(*read_video(path), strict=True)
    assert (info.fps, info.constant_rate, len(info.times), frames[0].shape) == (25, True, 20, (64, 96, 3))
    assert np.diff(times) == pytest.approx(1 / 25, abs=2e-3)
    assert [np.argmax(frame[..., 1].mean(0)) // 4 for frame in frames[::5]] == pytest.approx([0, 5, 10, 15], abs=1.5)


def test_of_several_streams_the_largest_is_the_film(make_film: MakeFilm) -> None:
    path = make_film("two.mkv", [(48, 32), (96, 64)], "libx264")
    info = probe_video(path)
    assert (info.width, info.height) == (96, 64)
    assert info.notes == ("has 2 video streams; the largest is taken, number 1",)


def test_a_cover_picture_is_not_the_film(make_film: MakeFilm) -> None:
    """Even where it is larger, and comes first in the file."""
    path = make_film("cover.mp4", [(192, 128), (96, 64)], "mjpeg", cover=0)
    info = probe_video(path)
    assert (info.width, info.height, len(info.times), info.notes) == (96, 64, 20, ())


def test_interlaced_video_is_named(make_film: MakeFilm) -> None:
    path = make_film("interlaced.mp4", [(96, 64)], "libx264", options={"x264-params": "tff=1"})
    assert probe_video(path).notes == ("interlaced: its frames mix two moments",)


def test_a_codec_that_nobody_knows_is_named_as_the_reason(make_film: MakeFilm) -> None:
    path = make_film("odd.mp4", [(96, 64)], "libx264")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(DataError, match="its codec is not known"):
        probe_video(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(DataError, match="no video stream"):
        probe_video(path)


def test_center_takes_the_middle_and_fit_takes_all() -> None:
    frame = np.zeros((50, 100, 3), np.uint8)
    frame[:, 25:75] = 200  # the central square
    assert (to_square(frame, 16, "center") == 200).all()
    fitted = to_square(frame, 16, "fit")
    assert (fitted[:4] == 0).all() and (fitted[12:] == 0).all()
    assert fitted[8, 8, 0] == 200 and fitted[8, 0, 0] == 0


def test_resizing_does_not_alias() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    small = to_square(stripes, 37, "center")
    assert np.abs(small.astype(int) - 127.5).max() < 12
