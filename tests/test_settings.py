"""Settings files and `--set`: what is accepted, what is refused, and what a refusal says."""

import dataclasses
from pathlib import Path
from typing import Literal

import pytest

from smoothvid.errors import ConfigError
from smoothvid.settings import from_dict, load_toml, merge, parse_set, suggest, to_dict


@dataclasses.dataclass(frozen=True, kw_only=True)
class Motion:
    kind: Literal["bspline", "linear"] = "bspline"
    degree: int = 2
    spacing: float = 16.0

    def __post_init__(self) -> None:
        if self.degree < 1:
            raise ValueError(f"degree must be at least 1, got {self.degree}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    name: str
    motion: Motion = Motion()
    slow: Motion = Motion(kind="linear", spacing=64.0)
    made: Motion = dataclasses.field(default_factory=lambda: Motion(degree=5))
    teacher: Motion | None = None
    sizes: tuple[int, ...] = (4, 8)
    betas: tuple[float, float] = (0.0, 0.99)
    fps: float | None = None
    workers: int | Literal["auto"] = "auto"
    amount: int | float = 0
    scene_cuts: bool = True


def build(**data: object) -> Settings:
    return from_dict(Settings, {"name": "x", **data})


def test_defaults_stay_where_nothing_is_said() -> None:
    assert build() == Settings(name="x")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"motion": {"kind": "linear", "degree": 3}}, {"motion": Motion(kind="linear", degree=3)}),
        ({"motion": {"spacing": 8}}, {"motion": Motion(spacing=8.0)}),
        ({"slow": {"degree": 1}}, {"slow": Motion(kind="linear", spacing=64.0, degree=1)}),
        ({"made": {"kind": "linear"}}, {"made": Motion(kind="linear", degree=5)}),
        ({"teacher": {"degree": 1}}, {"teacher": Motion(degree=1)}),
        ({"teacher": "none"}, {"teacher": None}),
        ({"sizes": [4, 8, 16]}, {"sizes": (4, 8, 16)}),
        ({"sizes": []}, {"sizes": ()}),
        ({"betas": [0, 0.9]}, {"betas": (0.0, 0.9)}),
        ({"fps": 25}, {"fps": 25.0}),
        ({"fps": None}, {"fps": None}),
        ({"fps": "none"}, {"fps": None}),
        ({"workers": 3}, {"workers": 3}),
        ({"workers": "auto"}, {"workers": "auto"}),
        ({"scene_cuts": False}, {"scene_cuts": False}),
    ],
)
def test_values_that_fit(data: dict[str, object], expected: dict[str, object]) -> None:
    assert build(**data) == dataclasses.replace(Settings(name="x"), **expected)  # type: ignore[arg-type]


def test_numbers_arrive_in_the_type_of_their_field() -> None:
    settings = build(fps=25, betas=[0, 1], amount=2, motion={"spacing": 8})
    types = [type(v) for v in (settings.fps, *settings.betas, settings.amount, settings.motion.spacing)]
    assert types == [float, float, float, int, float]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"motoin": {}}, r"motoin: no such setting; did you mean motion\?"),
        ({"motion": {"knid": 1}}, r"motion\.knid: no such setting; did you mean kind\?"),
        ({"motion": {"zzz": 1}}, r"motion\.zzz: no such setting; there is degree, kind, spacing"),
        ({"motion": {"kind": "cubic"}}, r"motion\.kind: must be one of 'bspline', 'linear', got 'cubic'"),
        ({"motion": {"degree": 2.0}}, r"motion\.degree: must be a whole number, got 2\.0"),
        ({"motion": {"degree": True}}, r"motion\.degree: must be a whole number, got true"),
        ({"motion": {"spacing": "8"}}, r"motion\.spacing: must be a number, got '8'"),
        ({"motion": {"spacing": float("nan")}}, r"motion\.spacing: must be a number, got nan"),
        ({"motion": {"spacing": True}}, r"motion\.spacing: must be a number, got true"),
        ({"motion": {"degree": 0}}, r"motion: degree must be at least 1, got 0"),
        ({"motion": 3}, r"motion: must be a table of settings"),
        ({"teacher": {"degree": "two"}}, r"teacher\.degree: must be a whole number, got 'two'"),
        ({"sizes": [4, "8"]}, r"sizes\[1\]: must be a whole number, got '8'"),
        ({"sizes": 4}, r"sizes: must be a list, each a whole number, got 4"),
        ({"betas": [0.0]}, r"betas: must be a list of 2: a number, a number"),
        ({"workers": "many"}, r"workers: must be a whole number or one of 'auto', got 'many'"),
        ({"fps": [1]}, r"fps: must be a number"),
        ({"scene_cuts": 1}, r"scene_cuts: must be true or false, got 1"),
        ({"name": 7}, r"name: must be text, got 7"),
    ],
)
def test_values_that_do_not_fit_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match="^" + message):
        build(**data)


def test_a_setting_without_default_must_be_given() -> None:
    with pytest.raises(ConfigError, match=r"^data\.name: needs a value \(text\)"):
        from_dict(Settings, {}, where="data")


def test_to_dict_is_plain_and_comes_back_equal() -> None:
    settings = build(motion={"kind": "linear"}, teacher={"degree": 5}, sizes=[1, 2, 3])
    plain = to_dict(settings)
    assert plain["teacher"] == {"kind": "bspline", "degree": 5, "spacing": 16.0}
    assert plain["sizes"] == [1, 2, 3] and plain["fps"] is None
    assert from_dict(Settings, plain) == settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("batch=8", {"batch": 8}),
        ("train.batch=8", {"train": {"batch": 8}}),
        ("a.b.c = 1e-3", {"a": {"b": {"c": 0.001}}}),
        ("a=true", {"a": True}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ('a="8"', {"a": "8"}),
        ("kind=bspline", {"kind": "bspline"}),
        ("out=runs/a=b", {"out": "runs/a=b"}),
        ("day=2024-05-01", {"day": "2024-05-01"}),
        ("a=", {"a": ""}),
        ("a=1\nb=2", {"a": "1\nb=2"}),
    ],
)
def test_parse_set(text: str, expected: dict[str, object]) -> None:
    assert parse_set(text) == expected


@pytest.mark.parametrize("text", ["batch", "=8", ".batch=8", "train.=8", ""])
def test_parse_set_refuses_what_is_no_assignment(text: str) -> None:
    with pytest.raises(ConfigError, match="section.key=value"):
        parse_set(text)


def test_merge_is_deep_and_leaves_its_arguments_alone() -> None:
    base = {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": {"z": 1}}
    over = {"a": {"y": 3}, "b": [9], "c": "off"}
    assert merge(base, over) == {"a": {"x": 1, "y": 3}, "b": [9], "c": "off"}
    assert base == {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": {"z": 1}}


def test_load_toml_reads_tables(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text('[motion]\nkind = "linear"\n')
    assert load_toml(tmp_path / "good.toml") == {"motion": {"kind": "linear"}}
    (tmp_path / "marked.toml").write_text('[motion]\nkind = "linear"\n', "utf-8-sig")  # some editors put a mark first
    assert load_toml(tmp_path / "marked.toml") == {"motion": {"kind": "linear"}}


@pytest.mark.parametrize("content", [b"[motion\n", b"a = 1\na = 2\n", b"\xff\xfe"])
def test_load_toml_names_a_broken_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="bad.toml: not a valid TOML file"):
        load_toml(tmp_path / "bad.toml")


def test_load_toml_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no.toml: cannot read this settings file"):
        load_toml(tmp_path / "no.toml")


def test_suggest() -> None:
    assert suggest("bspine", ["bspline", "linear"]) == "did you mean bspline?"
    assert suggest("q", ["bspline", "linear"]) == "there is bspline, linear"
