"""Imports go down the list only, and `import smoothvid` and the start of a command stay light.

smoothvid_cli → bench | importing | exporting → training → evaluation → sampling → run_config → models | data
→ batch | nn | processes → checksums → settings | files | memory_pool | devices | compiling
→ errors | plain_text | file_kind
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEVELS = [
    {"errors", "assets", "plain_text", "file_kind"},
    {"settings", "files", "memory_pool", "devices", "compiling"},
    {"checksums"},
    {"batch", "nn", "processes"},
    {"models", "data"},
    {"run_config"},
    {"sampling"},
    {"evaluation"},
    {"training"},
    {"bench", "importing", "exporting"},
    {"smoothvid_cli"},
]
LEVEL = {unit: level for level, units in enumerate(LEVELS) for unit in units}
SHARED = {path.stem for path in (ROOT / "smoothvid" / "models").glob("*.py")}
HEAVY = ["torch", "torchvision", "numpy", "scipy", "av", "PIL", "cleanfid", "safetensors", "tqdm"]

FILES = sorted([*ROOT.glob("smoothvid/**/*.py"), *ROOT.glob("cli/smoothvid_cli/**/*.py")])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "cli" else parts
    return ".".join(part for part in parts if part != "__init__")


def imported(tree: ast.AST) -> Iterator[str]:
    """All that imports anywhere below name; `from a import b` gives a.b, be it a module or a name in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_module_level(tree: ast.Module) -> ast.Module:
    """The part that runs on import: no function bodies, nothing under TYPE_CHECKING."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)

    return Strip().visit(tree)  # type: ignore[no-any-return]


def unit(module: str) -> str | None:
    """The unit of the list above that a dotted name belongs to; None for the package itself, presets and strangers."""
    first, *rest = module.split(".")
    if first == "smoothvid_cli":
        return first
    return rest[0] if first == "smoothvid" and rest and rest[0] in LEVEL else None


def family(module: str) -> str | None:
    """The model family a dotted name belongs to: the folder below models; what stands beside folders is everybody's."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["smoothvid", "models"] and len(parts) > 2 and parts[2] not in SHARED else None


def wrong_directions(module: str, source: str) -> list[str]:
    """The imports of a module that the list does not allow."""
    return [name for name in imported(ast.parse(source)) if not allowed(module, name)]


def allowed(module: str, name: str) -> bool:
    here, there = unit(module), unit(name)
    if there is None:  # a stranger, or the package itself, whose lazy names could lead anywhere
        return here is None or name.split(".")[0] != "smoothvid" or name == "smoothvid.__version__"
    if here is None:  # the package itself
        return True
    if here == there:
        return family(module) is None or family(name) in (None, family(module))
    return LEVEL[there] < LEVEL[here]


def heavy_imports(source: str) -> list[str]:
    """What a module of the command line imports on import beyond the standard library and the light parts."""
    return [name for name in imported(at_module_level(ast.parse(source))) if not is_light(name)]


def is_light(name: str) -> bool:
    first = name.split(".")[0]
    return (
        first in sys.stdlib_module_names
        or first in ("typer", "smoothvid_cli")
        or name.startswith(
            ("smoothvid.__version__", "smoothvid.errors.", "smoothvid.settings.", "smoothvid.plain_text.")
        )
    )


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down(path: Path) -> None:
    assert wrong_directions(module_name(path), path.read_text()) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("cli/smoothvid_cli/*.py")), ids=module_name)
def test_commands_import_nothing_heavy(path: Path) -> None:
    assert heavy_imports(path.read_text()) == []


def test_every_unit_is_in_the_list() -> None:
    here = {path.stem for path in (ROOT / "smoothvid").iterdir() if path.suffix == ".py" or any(path.glob("**/*.py"))}
    assert here - {"__init__", "presets"} <= set(LEVEL)


def test_every_folder_of_code_is_a_package() -> None:
    """Else setuptools leaves it out of what is installed."""
    folders = {path.parent for path in FILES}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("smoothvid.nn.mapping", "from smoothvid.models.family import Family", True),
        ("smoothvid.nn.mapping", "def f():\n    import smoothvid.training.loop", True),
        ("smoothvid.data.loader", "from smoothvid.models import stylesv", True),
        ("smoothvid.models.family", "from smoothvid.data.dataset import open_dataset", True),
        ("smoothvid.batch", "from smoothvid.nn.bspline import bspline", True),
        ("smoothvid.data.loader", "from smoothvid import load", True),
        ("smoothvid.sampling.model", "from smoothvid_cli import console", True),
        ("smoothvid.models.mocogan.losses", "from smoothvid.models.stylesv import losses", True),
        ("smoothvid.models.stylesv.losses", "from smoothvid.models.stylesv.config import Config", False),
        ("smoothvid.models.stylesv.losses", "from smoothvid.models.family import Phase", False),
        ("smoothvid.models", "from smoothvid.models import stylesv", False),
        ("smoothvid.training.loop", "from smoothvid.data.loader import Loader\nimport torch", False),
        ("smoothvid.training.checkpoint", "from smoothvid import __version__", False),
        ("smoothvid_cli.train", "from smoothvid.training.loop import train", False),
    ],
)
def test_the_check_itself(module: str, source: str, wrong: bool) -> None:
    assert bool(wrong_directions(module, source)) == wrong


def test_the_check_of_command_modules_itself() -> None:
    light = "import json\nimport typer\nfrom smoothvid_cli.options import Out\nfrom smoothvid.errors import DataError\n"
    assert heavy_imports(light + "def f():\n    import torch") == []
    assert heavy_imports(light + "import torch\nfrom smoothvid.data.dataset import open_dataset") == [
        "torch",
        "smoothvid.data.dataset.open_dataset",
    ]


def test_import_smoothvid_is_light() -> None:
    code = f"import smoothvid, sys; print([name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_public_names_load_and_unknown_ones_do_not() -> None:
    import smoothvid

    assert dir(smoothvid) == sorted(smoothvid.__all__) == sorted([*smoothvid._HOMES, "__version__"])
    for name in smoothvid.__all__:
        assert getattr(smoothvid, name) is not None
    assert smoothvid.load.__name__ == "load_model"
    assert smoothvid.DataError.__mro__[1] is smoothvid.SmoothvidError
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        smoothvid.nothing  # noqa: B018
