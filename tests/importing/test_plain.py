"""Settings out of records: what OmegaConf itself has written, references of all kinds, NumPy's numbers."""

import base64
import io
import zlib
from typing import Any

import numpy as np
import pytest

from smoothvid.errors import CheckpointError
from smoothvid.importing.plain import plain
from smoothvid.importing.records import unpickle
from smoothvid.models.published import Arguments, argument, require

from .standins import DictConfig, EasyDict, dumps

# pickle.dumps({"training_set_kwargs": {"cfg": c.model.generator}}, 4), compressed, where c is OmegaConf.create of
#   {"model": {"z_dim": 8, "generator": {"fmaps": 0.5, "w_dim": "${model.z_dim}", "motion": {"own": "${.beside}",
#    "beside": 3, "up": "${..fmaps}", "text": "a_${sampling.name}_${model.z_dim}", "list": [1, "${sampling.fps}", None,
#    True]}, "sampling": "${sampling}", "far": "${env:HOME}", "later": "???"}},
#    "sampling": {"name": "n${sampling.fps}", "fps": 25}}
# For OmegaConf 2.0 "up" is "${model.generator.fmaps}".
BY_OMEGACONF = {
    "2.0.6": (
        "c-oCr%Wl&^6m9FgQ>BHLM<q}Nq!L|_RTU&Q5pSfVMq<MXnXxm@HT5Id<AgMd1VTuWm|ce@3x0wRVatY3;o8oFBz8<>DR&;{+;i`lnU9%oKl2;m"
        "ZzT90bBSRac1Q6jQ_lLt?RWy`B~9-LzVBGHLo~<MYi&bgL15r?=?M-VM}rG-{0RYfc~P+_BW=Qn;FUQ}B_0+067FW0h`OiKO*3G@rMkifUEG$#"
        "Kh%QhAKC-l!OM>Nj%qAgmU+SHGQ+WnDaKqnqXWT<9g3ucIj-PY-6WCvic3Am>`_<Ihz3Yp)*RDBA_RLlYEzx~CJSl`vJ_O`Fqsi7WhQf9#4DV~"
        "6w}n()T9=*r&4^C=anvTaYjHcssxI#J&AVUGVIB)KZYwjYdLLd3b-~BZ~!;pFyMyUGTcEHsK%lXr)W6|hRsm0!7LCEV2<I47d&Eh&7gtnB|$w="
        "%sn^>JjvL^!nW<qeYCL%>`xwzkujXvhZ#z|u;S`My2fI<FwuRUQF>@3-?gj5sqUKI^+vePB@6^Snx%La!z#zILaTY;tA6-JrDV^Qwqd1_y^bL}"
        "Lb3uzS0O)V(=C!N?QINO9$L>Ef1-<r6=wVYBMah*c%?cFPgN}}E^JxOa)RTXX8rp_>+?~ClGC@-WSz&za#2>PI;^SGGukwg6vb(5pX1q@5>jmW"
        "-8A^u1TojAJ(@icwa~m!T87aNER9(tFyA7|KW8?$DkEjpkc??~Y~c+JCT4GF3kOSY=(1&Sb3$?<B0=Am&BGm%VTT(gF1m2?2JvePYi`68_5(Y<"
        "iP3uGW;~MbtX|?2rmc7;ITa|y1INBfqibJJv9+FXsmk*jCXWzt(~iimWG-s=9=v#Y`ZVOqnuO6*w%-YCQlrrjVR4>U`wKU!(m("
    ),
    "2.3.0": (
        "c-oDW&u`N(6vsExu30;6uuX#@kU*3PIOH}BaVcn^A&qttCoU**Ql}0}>?(FPMpX$UkT%ITyekL(C9WL!Q+RRu185UdMe2+5-sgRv-?KkfF01x}"
        "{tcDf5D5xtNP8~F!aY7kNslX7xBQ@|<R*)85BZD+PB-*LW`wX@e-1DE`O8=J@Dl_)kjrk21?nP!lw6(0d5B{ruYtFKL^x@WohE^Hf&*8a^}%fk"
        "{y+<)e@4&1LpGTA4*O#C+4j;f5+UVERx&-Aht2vTWE4f}Tw2HYOv&XQhCE2HM9FFpp}e5Fw%mj<p)TZVf;o#$aN_#NCxCAFEQ%l#pn%@!;sB+Q"
        "7$qTFU({<z1^8SES(hs~!ZD^|ypVdb=JrtnONuPzrIBT_GP2glI@usw<oY?eA*(U#;z*I3Lq%>~klW-=o`Kv0uV%&~_YI6rX>do{F6_R@#AK0="
        "$d0r*iu+Nvy9PAbD;MUF-K=dDielKfwP~v<R0W$?gWh$(oOBrS)TKSs_&jMR&-rvFr_S|QR@@Wlt-MN`gK+^)(C0(=E-f$=*`H)Nm;*j40F(CN"
        "cIu`2$qTA}aJyk_;=P&A+X0>p);6h4fkBMS0?~Y6jkFJ1zw&bmrB+Y>M_gFQlB>;uo;pWYskd(_X4$+O=OHPdhgx2(#ZIY7-(bEz4*KfNf#YEw"
        "c5$vPw@tv$g}_4#C|A<Hi6F}*Il6~hQbpkR!i2jl#@$8kA2Xbto}oM2lu8tG@z>3pElh6SSMc)B%{$Y!%@G7HF0JX?y#8%UE2P?I+(%A!-vXnw"
        "zQcw2^?ip8Uj(Z>c(E{8uFW2A1MEs6tYeI|3S-Yx59fEno}trw#b>QCEoO92p~N&eKT2_!o;-PZ)PA9H)d&e}1pX`rTCG+~=_)yQegkSy>uv"
    ),
}


@pytest.mark.parametrize("version", BY_OMEGACONF)
def test_what_omegaconf_wrote(version: str) -> None:
    data = zlib.decompress(base64.b85decode(BY_OMEGACONF[version]))
    assert plain(unpickle(io.BytesIO(data))["training_set_kwargs"])["cfg"] == {
        "fmaps": 0.5,
        "w_dim": 8,
        "motion": {"own": 3, "beside": 3, "up": 0.5, "text": "a_n25_8", "list": [1, 25, None, True]},
        "sampling": {"name": "n25", "fps": 25},
        "far": "${env:HOME}",  # nothing of this machine is looked up
        "later": "???",
    }


def through(value: Any, **how: Any) -> Any:
    return plain(unpickle(io.BytesIO(dumps(value, **how))))


def test_references() -> None:
    root = DictConfig(
        {
            "a": {"b": [{"c": 7}, "x"], "which": "b", "far": "${...gone}", "here": "${a}"},
            "list": "${a.b[0].c}",
            "in each other": "${a.${a.which}.1}",
            "on the way": "${alias.b.1}",
            "alias": "${a}",
            "nothing": "${a.b.2}",
            "empty": "${}",
            "text": "${a.which}-${a.nothing}",
            "not one": "$a {b} ${",
        }
    )
    branch = root._content["list"]._parent._content  # type: ignore[attr-defined]
    expected = {"list": 7, "in each other": "x", "on the way": "x", "nothing": "${a.b.2}", "empty": "${}"}
    expected |= {"text": "b-${a.nothing}", "not one": "$a {b} ${"}
    for name, value in expected.items():
        assert through(branch[name]) == value, name


@pytest.mark.parametrize(
    "table",
    [
        {"a": "${a}"},
        {"a": "${b}", "b": "${a}"},
        {"a": "${a.a}"},
        {"a": "${b.a.a.a}", "b": "${a.b.b}"},
        {"a": "x${a}"},
        {"a": {"b": "${a}"}},
        {"a": "${b}${b}", "b": "${c}${c}", "c": "${a}${a}"},
    ],
)
def test_references_in_circles_end(table: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="without end"):
        through(DictConfig(table))


def test_numbers_and_kinds_of_lists() -> None:
    value = {
        "scalars": [np.float32(0.5), np.int64(-3), np.float64(2.25), np.bool_(True)],
        "list": (1, [2, {3}], frozenset({4})),
        "easy": EasyDict(a=EasyDict(b=1)),
        "large": 2**80,
        1: "a number",
        "\x1b[2J": "a\x07b",
        "others": [int, np.zeros(3), b"bytes"],
    }
    for protocol in range(6):
        found = through(value, protocol=protocol)
        assert all(text.startswith("<") and text.endswith(">") for text in found.pop("others"))
        assert found == {
            "scalars": [0.5, -3, 2.25, True],
            "list": [1, [2, [3]], [4]],
            "easy": {"a": {"b": 1}},
            "large": "<a large number>",
            "1": "a number",
            " [2J": "a b",
        }, protocol


def test_arguments_are_found_or_missed_by_name() -> None:
    args = Arguments({"cfg": {"a": {"b": 0}, "far": "${x}", "later": "???"}, "none": None})
    assert argument(args, "cfg.a.c", "cfg.a.b") == 0 and argument(args, "none", default=5) == 5
    with pytest.raises(CheckpointError, match="does not say what its cfg.later is"):
        argument(args, "cfg.later", "cfg.a.b.c")
    with pytest.raises(CheckpointError, match=r"cfg.far is \$\{x\}, which leads out of"):
        argument(args, "cfg.far", default=1)
    require(args, {"cfg.a.b": 0, "cfg.other": 1})
    with pytest.raises(CheckpointError, match="with cfg.a.b = 0; the networks here have 2 only"):
        require(args, {"cfg.a.b": 2})
