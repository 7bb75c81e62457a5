"""Model families by name. A family is a folder here; it is loaded when asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from smoothvid.errors import ConfigError

if TYPE_CHECKING:
    from smoothvid.models.family import Family

_FAMILIES = {
    "stylesv": "smoothvid.models.stylesv",
    "styleganv": "smoothvid.models.styleganv",
    "mocogan": "smoothvid.models.mocogan",
    "mocogan-sg2": "smoothvid.models.mocogan_sg2",
}


def family_names() -> list[str]:
    """Names that `--model` takes."""
    return sorted(_FAMILIES)


def get_family(name: str) -> "Family":
    """The family of that name; a ConfigError lists the names there are."""
    if name not in _FAMILIES:
        raise ConfigError(f"model family '{name}' does not exist; there is {', '.join(family_names())}")
    family: Family = import_module(_FAMILIES[name]).FAMILY
    return family
