"""Decoding videos alone, in processes as `prepare` has them. They import this module, so it must stay light."""

from collections.abc import Sequence

from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.supervisor import JobFailed, JobNote, run_jobs
from smoothvid.data.video_io import read_video
from smoothvid.errors import DataError


def decode_alone(paths: Sequence[str], workers: int) -> int:
    """Decode video files to RGB frames, which are dropped; returns how many there were."""
    total = 0
    jobs = [(path,) for path in paths]
    for _, result in run_jobs(count_frames, jobs, min(workers, len(jobs)), PrepareSettings.timeout):
        total += 0 if isinstance(result, JobFailed | JobNote) else result
    if not total:
        raise DataError(f"no frame can be decoded of {', '.join(paths)}")
    return total


def count_frames(path: str) -> int:
    """Frames of a video up to where it is damaged: `prepare` takes these, too."""
    count = 0
    try:
        for _ in read_video(path):
            count += 1
    except DataError:
        pass
    return count
