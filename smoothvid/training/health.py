"""What can go wrong with a training without anybody noticing for a day, told from its log; once each, with advice."""

from collections.abc import Callable, Sequence
from typing import Any

Lines = Sequence[dict[str, Any]]

TICKS_WON = 5
MEASURED_IN_A_ROW = 3
LOW_DIVERSITY = 0.3
WORSE = 1.3
HIGH_AUGMENT = 0.8


def new_warnings(lines: Lines) -> dict[str, str]:
    """Warnings that the last line of a log is the first to deserve, by name."""
    told = {name for line in lines for name in line.get("warnings", {})}
    return {name: text for name, check in _CHECKS.items() if name not in told and (text := check(lines))}


def _nan(lines: Lines) -> str | None:
    skipped = lines[-1].get("skipped")
    if not skipped:
        return None
    return (
        f"updates left out because their gradients were not finite: {skipped}. If that goes on, lower lr_g and lr_d, "
        "raise r1_gamma, or train with precision float32."
    )


def _discriminator_won(lines: Lines) -> str | None:
    last = [(line.get("real_sign"), line.get("fake_sign")) for line in lines[-TICKS_WON:]]
    if len(last) < TICKS_WON or not all(r is not None and f is not None and r > 0.98 and f < -0.98 for r, f in last):
        return None
    return (
        f"for {TICKS_WON} ticks the discriminator has told all videos apart, from which the generator learns little. "
        "Lower lr_d, raise r1_gamma, or use augment = ada when data are few."
    )


def _collapse(lines: Lines) -> str | None:
    measured = _last_measured(lines, "diversity")
    if len(measured) < MEASURED_IN_A_ROW or max(measured) >= LOW_DIVERSITY:
        return None
    return (
        f"samples differ {measured[-1]:.2f} times as much as the data: the generator shows nearly the same every time. "
        "Look at the previews; go back to the best checkpoint, with a higher r1_gamma or a lower lr_g."
    )


def _getting_worse(lines: Lines) -> str | None:
    scores = [line["score"] for line in lines if line.get("score") is not None]
    recent, earlier = scores[-MEASURED_IN_A_ROW:], scores[:-MEASURED_IN_A_ROW]
    if lines[-1].get("score") is None or not earlier or min(recent) <= WORSE * min(earlier):
        return None
    return (
        f"the score was {min(earlier):.3f} and has been above {min(recent):.3f} for {MEASURED_IN_A_ROW} checkpoints. "
        "The best checkpoint is kept; more data, augment = ada or a lower lr_g may help."
    )


def _augment_high(lines: Lines) -> str | None:
    if lines[-1].get("augment_p", 0) <= HIGH_AUGMENT:
        return None
    return (
        f"augment_p is above {HIGH_AUGMENT}: the discriminator knows the data by heart, and augmentations begin to "
        "show in what is generated. More videos are needed."
    )


def _last_measured(lines: Lines, name: str) -> list[float]:
    if lines[-1].get(name) is None:
        return []
    return [line[name] for line in lines if line.get(name) is not None][-MEASURED_IN_A_ROW:]


_CHECKS: dict[str, Callable[[Lines], str | None]] = {
    "nan": _nan,
    "discriminator_won": _discriminator_won,
    "collapse": _collapse,
    "getting_worse": _getting_worse,
    "augment_high": _augment_high,
}
