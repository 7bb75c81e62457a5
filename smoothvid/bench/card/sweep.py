"""The stage that tries sizes for the Triton kernels; what wins is what nn/kernels/tuning.py should hold.

    python -m smoothvid.bench.card.sweep SETTINGS NUMBER OF

compiles its share of the candidates, so that several processes can do so beside each other.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from smoothvid.bench.card.equal import BEST, error
from smoothvid.bench.card.jobs import Job, read_rows, rows_file
from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.card.speed import copy_rate, seconds
from smoothvid.bench.networks import filter_case, filter_layers, layers_of
from smoothvid.data.prepare_settings import available_cores
from smoothvid.nn import kernels
from smoothvid.nn.alias_free import Band
from smoothvid.nn.kernels.tuning import StripSizes, tuned
from smoothvid.run_config import resolve

SIZES = (148, 276)  # of the layers that are tried


def _named(**sizes: int) -> tuple[str, StripSizes]:
    return ", ".join(f"{name} {value}" for name, value in sizes.items()), StripSizes(**sizes)


STRIPS = dict(
    (
        _named(channels=16, warps=8, registers=128),
        _named(channels=16, warps=4),
        _named(channels=8, warps=4),
        _named(channels=8, warps=8),
        _named(channels=8, warps=2),
        _named(channels=8, warps=8, registers=80),
        _named(channels=16, warps=8, registers=128, stages=3),
        _named(channels=8, rows=32, warps=8, registers=128),
        _named(channels=16, side=32, warps=4, registers=168),
        _named(channels=16, warps=8, registers=128, programs=2048),
        _named(channels=16, warps=8),
        _named(channels=8, warps=8, registers=128),
        _named(channels=8, warps=4, stages=1),
        _named(channels=8, warps=4, stages=3),
    )
)


def sweep(settings: CardSettings, until: float) -> Iterator[Job]:
    """Each candidate at two layers, forwards and back, in bfloat16; the best of them last."""
    yield Job("Sizes of kernels", "compiling", partial(_compile_all, settings))
    for back in _ways(settings):
        tables = []
        for inner, outer in _layers(settings):
            tables.append(f"Sizes of kernels, {outer.size}² {'and back' if back else 'forwards'}")
            for name in STRIPS if not settings.dry_run else list(STRIPS)[:2]:
                yield Job(tables[-1], name, partial(_candidate, settings, inner, outer, back, name))
        yield Job(BEST, "narrow_backward" if back else "narrow_forward", partial(_best, settings, tables))


def _layers(settings: CardSettings) -> list[tuple[Band, Band]]:
    layers = filter_layers(layers_of(resolve("tiny" if settings.dry_run else "stylesv-256").model))
    if settings.dry_run:
        return layers[:1]
    keeping = [layer for layer in layers if layer[0].sampling_rate == layer[1].sampling_rate]
    return [layer for layer in keeping if layer[1].size in SIZES]


def _ways(settings: CardSettings) -> tuple[bool, ...]:
    return (False,) if settings.dry_run else (False, True)


def _candidate(settings: CardSettings, inner: Band, outer: Band, back: bool, name: str) -> dict[str, Any]:
    """Time, share of the rate of a copy, and the error against matrices in float32."""
    call, right, moved = _case(settings, inner, outer, back, name, 8)
    with _sizes(name, back):
        wrong = error(call()[:1], right)
        if wrong > 0.05:
            return {"error of the result": wrong, "ok": False}
        taken = seconds(call, settings.torch_device, turns=3)
    share = moved / taken / copy_rate(settings)
    return {"ms": 1e3 * taken, "share of copy rate": share, "error of the result": wrong, "ok": True}


def _case(
    settings: CardSettings, inner: Band, outer: Band, back: bool, name: str, count: int
) -> tuple[Callable[[], Tensor], Tensor, int]:
    """A call for the candidate, the right result, and how many bytes must be moved."""
    device = settings.torch_device
    torch.manual_seed(0)
    activate, x, grad, bias = filter_case(inner, outer, torch.bfloat16, True, device, 1 if settings.dry_run else count)

    def call(x: Tensor = x, grad: Tensor = grad) -> Tensor:
        if not back:
            with torch.no_grad():
                return activate(x, bias)
        x = x.detach().requires_grad_()
        return torch.autograd.grad(activate(x, bias), x, grad)[0]

    with kernels.chosen("matrices"):
        right = call(x.float(), grad.float()) if count == 1 else call(x[:1].float(), grad[:1].float())
    passed = x.numel() + grad.numel()
    return call, right, (passed + x.numel() + grad.numel() + x.numel() if back else passed) * x.element_size()


def _sizes(name: str, back: bool) -> AbstractContextManager[None]:
    return tuned(**{"narrow_backward" if back else "narrow_forward": STRIPS[name]})


def _best(settings: CardSettings, tables: list[str]) -> dict[str, Any]:
    """The candidate that takes the least time over all layers."""
    times: dict[str, list[float]] = {}
    for row in read_rows(rows_file(settings.out, "sweep")):
        if row["table"] in tables and row["figures"].get("ok"):
            times.setdefault(row["name"], []).append(row["figures"]["ms"])
    sums = {name: sum(each) for name, each in times.items() if len(each) == len(tables)}
    if not sums:
        return {"ok": False}
    best = min(sums, key=lambda name: sums[name])
    return {"sizes": best, "ms": sums[best]}


def _compile_all(settings: CardSettings) -> dict[str, Any]:
    """Compile in processes beside each other; the timings then find everything in Triton's cache."""
    count = 1 if settings.dry_run else min(8, available_cores())
    command = [sys.executable, "-m", "smoothvid.bench.card.sweep", settings.to_json()]
    running = [subprocess.Popen([*command, str(number), str(count)]) for number in range(count)]
    return {"processes": count, "failed": sum(process.wait() != 0 for process in running)}


def _compile_share(settings: CardSettings, number: int, of: int) -> None:
    jobs = list(product(_layers(settings), _ways(settings), STRIPS))
    for (inner, outer), back, name in jobs[number::of]:
        with _sizes(name, back):
            try:
                _case(settings, inner, outer, back, name, 1)[0]()
            except Exception as error:  # its timing tells
                print(f"{name}: {error}")


if __name__ == "__main__":
    _compile_share(CardSettings.from_json(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
