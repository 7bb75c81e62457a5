"""How each figure is read."""

import re
from dataclasses import dataclass
from typing import Literal

REFERENCES = {
    "real": "real",
    "frozen": "frozen",
    "shuffled": "shuffled",
    "mean_image_noise": "mean image, noise",
    "mean_image": "mean image",
    "grey": "grey",
}

GROUPS = {
    "published": (
        "Published distances",
        "By the names and protocols of published papers. Lower is nearer to the data. They compare with figures of "
        "others only where data, sizes and counts are the same.",
    ),
    "random": (
        "Distances over random features",
        "They are not FID or FVD: the networks are small and have fixed random weights. 0 is alike, 1 as far as the "
        "data's mean image. Compare them only on one dataset with one protocol.",
    ),
    "motion": ("Amount of motion", "Relative to the data's: 1 moves as much as the data."),
    "smoothness": (
        "Smoothness",
        "Faults that distances hardly see. Videos are best where they come near the data's own figure, not where "
        "the figure is lowest.",
    ),
    "other": ("Others", ""),
}


@dataclass(frozen=True)
class Metric:
    """group: a key of GROUPS. best: the value to be near to; "real" is the data's own. sentence: how it is read."""

    group: str
    best: float | Literal["least", "real"]
    sentence: str


METRICS = {
    "fid50k_full": Metric("published", "least", "Single frames, Inception features; blind to time."),
    "kid50k_full": Metric(
        "published",
        "least",
        "Single frames, Inception features; without bias, so 0 is alike and less than 0 is chance.",
    ),
    "fvd2048_16f": Metric("published", "least", "Clips of 16 frames, I3D features."),
    "fvd2048_128f": Metric("published", "least", "Clips of 128 frames, I3D features."),
    "fvd2048_128f_subsample8f": Metric("published", "least", "Every 8th of 128 frames, I3D features: slow changes."),
    "kvd2048_16f": Metric(
        "published", "least", "Clips of 16 frames, I3D features; without bias, so 0 is alike and less than 0 is chance."
    ),
    "rfid": Metric("random", "least", "Single frames: 0 is as real, 1 the data's mean image; blind to time."),
    "rfid_diff": Metric(
        "random", "least", "Changes between neighbouring frames: 0 is as real, 1 frozen; flicker goes far beyond."
    ),
    "rfvd": Metric(
        "random", "least", "Clips, frames together with changes: 0 is as real, 1 the mean image all the time."
    ),
    "motion": Metric("motion", 1.0, "Change from frame to frame: 0 stands still, far above 1 is restless."),
    "motion_lag4": Metric("motion", 1.0, "Change over four frames; far below the line above, the changes are flicker."),
    "reversal": Metric("smoothness", "real", "How often the motion turns round in 100 frames."),
    "jitter": Metric("smoothness", "real", "Share of the motion that is shaking; more than in the data is unrest."),
    "repetition": Metric(
        "smoothness", "real", "Share of the moments that come again; more than in the data is a loop."
    ),
    "sticking": Metric(
        "smoothness",
        "real",
        "Share of the fine detail that stands still where the rest moves; more than in the data is a fault.",
    ),
    "colour_drift": Metric(
        "smoothness",
        "real",
        "Loss of likeness of the colours over time; more than in the data is drift, less is stillness.",
    ),
    "kink": Metric("smoothness", "real", "Jumps in the speed of the motion codes, 0 is smooth; of models only."),
}


def metric(name: str) -> Metric:
    """What is known of a figure; a name may end in a number of frames, as in rfvd_16f."""
    unknown = Metric("other", "real", "")
    return METRICS.get(name) or METRICS.get(re.sub(r"_\d+f$", "", name), unknown)
