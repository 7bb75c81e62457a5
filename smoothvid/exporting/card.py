"""README.md of an exported model: what it is, how to use it, what it was trained on as far as the model file knows."""

from dataclasses import dataclass

from smoothvid import __version__
from smoothvid.exporting.figures import Figures
from smoothvid.exporting.place import LIBRARY
from smoothvid.sampling.model import ModelFacts


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the pictures show."""

    seeds: range
    num_frames: int
    truncation_psi: float

    @property
    def files(self) -> list[str]:
        return ["preview.png"] if self.num_frames == 1 else ["preview.mp4", "preview.png"]

    def words(self) -> str:
        each = "frames, then the lower-middle row of every frame side by side" if self.num_frames > 1 else "one frame"
        return (
            f"Seeds {self.seeds[0]} to {self.seeds[-1]}, {self.num_frames} frames from time 0, truncation "
            f"{self.truncation_psi:g}; none was picked. The still shows of each seed {each}."
            + (" In motion: [preview.mp4](preview.mp4)." if self.num_frames > 1 else "")
        )


def model_card(
    name: str,
    facts: ModelFacts,
    license: str | None,
    preview: Preview,
    figures: Figures | None,
    trains: bool,
    programs: tuple[str, ...],
) -> str:
    """The card as Markdown with YAML front matter.

    Args:
        name: of the folder.
        trains: whether the discriminator is in it.
        programs: names of the folders in it that hold programs.
    """
    links = " and ".join(f"[`{kind}/`]({kind}/README.md)" for kind in programs)
    sections = {
        "Use": _USE.format(name=name),
        "Training": _training(facts) + "\n\n" + (_TRAINS if trains else _TRAINS_NOT).format(name=name),
        "Figures": None if figures is None else _table(figures),
        "Without smoothvid": f"The networks as programs, and what they take: {links}." if links else None,
        "Licence": f"`{license}`" if license else "None is named: ask whoever published this before you use it.",
    }
    side, rate = facts.resolution, facts.fps
    head = (
        f"# {name}\n\nMakes videos of any length: family `{facts.family}`, {side} × {side} pixels, {rate:g} frames a "
        f"second. A frame is a function of a seed and a time.\n\n![samples](preview.png)\n\n{preview.words()}"
    )
    body = [f"## {title}\n\n{text}" for title, text in sections.items() if text is not None]
    return "\n\n".join([_front_matter(facts, license), head, *body, f"Written by smoothvid {__version__}."]) + "\n"


def _front_matter(facts: ModelFacts, license: str | None) -> str:
    kind = "class-conditional-video-generation" if facts.label_names else "unconditional-video-generation"
    tags = ["video-generation", kind, "gan", facts.family]
    lines = [f"library_name: {LIBRARY}", *([f"license: {license}"] if license else []), "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in tags), "---"])


def _table(figures: Figures) -> str:
    lines = ["| | " + " | ".join(figures.heads) + " |", "|---|" + "---:|" * len(figures.heads)]
    lines += [f"| {name} | " + " | ".join(values) + " |" for name, values in figures.rows]
    note = (
        "Measures that begin with r are distances over random features, NOT FID or FVD: 0 is alike, 1 as far as the "
        "dataset's mean image."
    )
    return "\n".join(lines) + f"\n\n{note} {figures.how}"


def _training(facts: ModelFacts) -> str:
    labels = f"Labels: {', '.join(facts.label_names)}." if facts.label_names else "It has no labels."
    return (
        f"The model has seen {facts.seen_clips:,} clips. {labels} The model file does not say which videos these were."
    )


_USE = """```bash
smoothvid sample {name} --seed 7 --length 10s --out video.mp4
```

```python
import smoothvid

model = smoothvid.load("{name}")
for frames in model.stream(seed=7, num_frames=250):  # uint8 [T, 3, H, W]
    ...
```

`{name}` is this folder. The weights are `model.safetensors`, which needs nothing beside it; reading it runs no code."""

_TRAINS = (
    "`state.pt` holds the discriminator: `smoothvid train DATASET --init {name} --out RUN` starts a training from here."
)
_TRAINS_NOT = "The discriminator is not here, so no training can start from this folder."
