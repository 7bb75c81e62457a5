"""The labels that StyleGAN's datasets keep beside their frames: {"labels": [["00000/img00000.png", 3], ...]}."""

import json
from collections import defaultdict
from typing import Any


def read_labels(index: bytes) -> tuple[dict[str, str], str]:
    """The labels in a dataset.json of StyleGAN, by the names of files and of their folders.

    Args:
        index: the contents of dataset.json.

    Returns:
        A label for each file, and for each folder whose files all have the same one; and what to tell about labels that
        cannot be used, or "".
    """
    try:
        content = json.loads(index)  # of bytes: with or without a byte-order mark
    except (ValueError, RecursionError) as error:
        return {}, f"cannot be read ({error}), so it gives no labels"
    entries = content.get("labels") if isinstance(content, dict) else None
    if entries is None:
        return {}, ""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, label in _pairs(entries):
        path = name.replace("\\", "/").removeprefix("./")
        found[path].add(label)
        found[path.rpartition("/")[0] or "."].add(label)
    if not found:
        return {}, "holds labels that are not used: each must be a file's name and a whole number or a word"
    labels = {name: next(iter(its)) for name, its in found.items() if len(its) == 1}
    mixed = len(found) - len(labels)
    return labels, f"gives the frames of {mixed} folders different labels; these folders get none" if mixed else ""


def _pairs(entries: Any) -> list[tuple[str, str]]:
    """Names and labels; none at all when one of them is of another form."""
    listed = list(entries.items()) if isinstance(entries, dict) else entries
    if not isinstance(listed, list) or not all(map(_is_pair, listed)):
        return []
    return [(name, str(label)) for name, label in listed]


def _is_pair(entry: Any) -> bool:
    is_list = isinstance(entry, list | tuple) and len(entry) == 2
    return is_list and isinstance(entry[0], str) and isinstance(entry[1], int | str)
