"""How long work tells whoever watches it, without knowing what a terminal is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol

from smoothvid.training.loop import Progress, Training

Advance = Callable[..., None]  # (amount: float = 1, note: str = "") -> None


class Bars(Protocol):
    """Opens a progress bar: a context manager that gives the function which moves it on."""

    def __call__(
        self, label: str, total: float | None = None, unit: str = "it", done: float = 0
    ) -> AbstractContextManager[Advance]: ...


def no_bars(
    label: str, total: float | None = None, unit: str = "it", done: float = 0
) -> AbstractContextManager[Advance]:
    """Bars that show nothing."""

    def advance(amount: float = 1, note: str = "") -> None:
        pass

    return nullcontext(advance)


def run_shown(training: Training, bars: Bars) -> None:
    """Run a training to its end under a bar in thousands of real frames."""
    total, seen = training.total_frames, training.seen_frames
    with bars(training.phase_name, total / 1000, "kimg", seen / 1000) as advance:

        def on_progress(progress: Progress) -> None:
            nonlocal seen
            advance((progress.seen_frames - seen) / 1000, note=note(progress.numbers))
            seen = progress.seen_frames

        training.run(on_progress)


def note(numbers: dict[str, float]) -> str:
    """The last tick in a few words; nothing before the first one."""
    names = {"loss_generator": "loss G", "loss_discriminator": "D"}
    losses = " ".join(f"{short} {numbers[name]:.2f}" for name, short in names.items() if name in numbers)
    speed = f"{numbers['clips_per_second']:.3g} clips/s" if "clips_per_second" in numbers else ""
    return ", ".join(part for part in (speed, losses) if part)


@contextmanager
def counted(bars: Bars, label: str, unit: str) -> Iterator[Callable[[int, int, str], None]]:
    """A callback (done, in all, note) that shows a bar for each stage of work; a count that falls begins the next."""
    advance: Advance | None = None
    last, last_total = 0, 0
    with ExitStack() as stack:

        def on_progress(done: int, total: int, message: str) -> None:
            nonlocal advance, last, last_total
            if advance is None or done < last or total != last_total:
                stack.close()
                advance, last, last_total = stack.enter_context(bars(label, total, unit)), 0, total
            advance(done - last, note=message)
            last = done

        yield on_progress
