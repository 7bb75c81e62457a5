"""Compilation by Numba, which brings its compiler along: nothing has to be installed beside it."""

from collections.abc import Callable
from typing import Any

import numba

# NaN and infinity stay what they are; only the order of sums is the compiler's choice.
_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers and flat arrays, compiled when first called; kept on disk where there is a place for it."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder that may be written
        return numba.njit(**_OPTIONS)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A part of compiled functions, put into each where it is called."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)
