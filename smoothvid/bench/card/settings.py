"""What a run over a device was asked for, as its processes hand it on."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch

from smoothvid.sampling.model import choose_device


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """What to run, and where.

    out: folder of the results. device: by name; "auto" is the card, where there is one.
    dry_run: every stage at toy size.
    preset, dataset, init: what the last stage trains, as for `smoothvid train`; without a dataset the world `drive` is
        drawn, without init an image model is trained first.
    """

    out: Path
    device: str = "auto"
    dry_run: bool = False
    preset: str | None = None
    dataset: Path | None = None
    init: str | None = None

    @property
    def torch_device(self) -> torch.device:
        return choose_device(self.device)

    @property
    def on_card(self) -> bool:
        return self.torch_device.type == "cuda"

    def to_json(self) -> str:
        return json.dumps({name: _plain(value) for name, value in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        values: dict[str, Any] = json.loads(text)
        paths = {field.name for field in fields(cls) if "Path" in str(field.type)}
        found: dict[str, Any] = {k: Path(v) if k in paths and v is not None else v for k, v in values.items()}
        return cls(**found)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
