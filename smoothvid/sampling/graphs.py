"""CUDA graphs: a network's hundreds of launches recorded once, and from then on asked for as one.

Making a few small pictures takes a card less time than Python takes to ask for it; then a graph is several times as
fast. It gives the same numbers to the bit.
"""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Shapes = tuple[torch.Size, ...]
_logger = logging.getLogger(__name__)


class Graphs:
    """`function` of tensors on one card, with a graph for each set of shapes from its second call on.

    The first call of its kind goes the plain way; that also compiles kernels and fills caches, which a recording must
    not. All graphs share one pool of memory, which is as large as the largest needs. When one cannot be recorded, for
    want of memory or because an operation forbids it, all are given up. The function must depend on its arguments
    alone, and not return them.

    Args:
        enabled: without, the function is called as it is.
    """

    def __init__(self, function: Callable[..., Tensor], enabled: bool = True) -> None:
        self.function, self.enabled = function, enabled
        self._seen: set[Shapes] = set()
        self._graphs: dict[Shapes, Graph] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        shapes = tuple(x.shape for x in inputs)
        if self.enabled and shapes in self._seen and shapes not in self._graphs:
            self._record(shapes, inputs)
        self._seen.add(shapes)
        graph = self._graphs.get(shapes)
        return self.function(*inputs) if graph is None else graph(*inputs)

    def release(self) -> bool:
        """Give back the memory of all graphs, and record no more; returns whether there were any."""
        held, self._graphs, self.enabled = bool(self._graphs), {}, False
        if held:
            torch.cuda.empty_cache()
        return held

    def _record(self, shapes: Shapes, inputs: Sequence[Tensor]) -> None:
        beside = next(iter(self._graphs.values()), None)
        try:
            self._graphs[shapes] = Graph(self.function, inputs, beside)
            return
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            reason = " ".join(str(error).split())[:200]
        del beside
        self.release()  # what was begun has grown the pool
        torch.cuda.empty_cache()
        _logger.info("no CUDA graphs: %s", reason)


class Graph:
    """One recording of `function` for inputs of these shapes; `beside`: a graph whose memory it may use, too."""

    def __init__(self, function: Callable[..., Tensor], inputs: Sequence[Tensor], beside: "Graph | None") -> None:
        self.device = inputs[0].device
        self.stream: torch.cuda.Stream
        with torch.cuda.device(self.device):
            self.stream = torch.cuda.Stream() if beside is None else beside.stream
            self.graph = torch.cuda.CUDAGraph()
            self.inputs = [x.clone() for x in inputs]
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):  # where it is left even if recording fails
                function(*self.inputs)  # so that the libraries' workspaces for this stream are there
                pool = None if beside is None else beside.graph.pool()
                # Other threads, such as one that encodes, may go on meanwhile.
                with torch.cuda.graph(self.graph, pool, self.stream, capture_error_mode="thread_local"):
                    self.output = function(*self.inputs)
            torch.cuda.current_stream().wait_stream(self.stream)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's result, in memory of its own."""
        with torch.cuda.device(self.device):
            torch._foreach_copy_(self.inputs, list(inputs))
            self.graph.replay()
            return self.output.clone()
