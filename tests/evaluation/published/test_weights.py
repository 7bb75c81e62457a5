"""Finding and fetching weights: nothing wrong is ever used, and nothing half remains."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from smoothvid.errors import WeightsMissingError
from smoothvid.evaluation import pretrained
from smoothvid.evaluation import weights as module
from smoothvid.evaluation.weights import I3D, INCEPTION, WeightsFile, fetch_weights, find_weights, weights

from .standins import described


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate of this machine for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate of the local server, is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


class Server(ThreadingHTTPServer):
    """https://localhost:PORT/<way>: gives the content whole, or in one of the wrong ways. Counts what was asked for."""

    daemon_threads = True

    def __init__(self, content: bytes, certificate: Path | None) -> None:
        super().__init__(("localhost", 0), Handler)
        self.content, self.asked, self.over = content, list[str](), threading.Event()
        self.scheme = "http"
        if certificate:
            self.scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def url(self, way: str) -> str:
        return f"{self.scheme}://localhost:{self.server_port}/{way}"

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are what is tested here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        way, content = self.path.strip("/"), self.server.content
        self.server.asked.append(way)
        if way == "missing":
            self.send_error(404)
            return
        if way.startswith("to-"):
            self.send_response(302)
            self.send_header("Location", {"to-https": "/whole", "to-http": "http://localhost:1/whole"}[way])
            self.end_headers()
            return
        self.send_response(200)
        if way == "cut":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if way == "stall":
            self.server.over.wait(10)
            return
        given = {
            "whole": content,
            "cut": content[: len(content) // 2],
            "short": content[:-1],
            "long": content + b"!" * (1 << 22),
            "other": content[:-1] + bytes([content[-1] ^ 1]),
        }[way]
        self.wfile.write(given)

    def log_message(self, *_: Any) -> None:
        pass


def serve(content: bytes, certificate: Path | None) -> Iterator[Server]:
    server = Server(content, certificate)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(network_files: Path, certificate: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    monkeypatch.setenv("NO_PROXY", "localhost")
    yield from serve((network_files / I3D.name).read_bytes(), certificate)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMOOTHVID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def standin(network_files: Path) -> WeightsFile:
    return described(network_files / I3D.name)


def test_a_file_is_fetched_once(server: Server, standin: WeightsFile, cache: Path) -> None:
    told: list[tuple[int, int, str]] = []
    file = replace(standin, urls=(server.url("whole"),))
    assert find_weights(file) is None
    path = weights(file, on_progress=lambda *args: told.append(args))
    assert path == cache / I3D.name and path.read_bytes() == server.content
    assert told[-1] == (file.size, file.size, I3D.name) and [done for done, *_ in told] == sorted(d for d, *_ in told)
    assert weights(file) == fetch_weights(file) == path and server.asked == ["whole"]
    assert [entry.name for entry in cache.iterdir()] == [I3D.name]


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("cut", "broke off"),
        ("short", "broke off"),
        ("long", "more than"),
        ("other", "another file"),
        ("missing", "answers 404"),
        ("to-http", "not https"),
        ("stall", "timed out"),
    ],
)
def test_what_is_not_the_file_leaves_nothing(
    server: Server, standin: WeightsFile, cache: Path, way: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.5 if way == "stall" else 30)
    with pytest.raises(WeightsMissingError, match=reason) as caught:
        fetch_weights(replace(standin, urls=(server.url(way),)))
    assert list(cache.iterdir()) == []
    for part in (
        standin.name,
        str(standin.size),
        standin.sha256,
        server.url(way),
        str(cache),
        "smoothvid eval --fetch",
    ):
        assert part in str(caught.value)


def test_the_next_address_is_tried(server: Server, standin: WeightsFile, cache: Path) -> None:
    ways = ["missing", "cut", "other", "to-https"]
    path = fetch_weights(replace(standin, urls=tuple(server.url(way) for way in ways)))
    assert server.asked == [*ways, "whole"]
    assert path.read_bytes() == server.content and list(cache.iterdir()) == [path]


def test_a_long_answer_is_not_read_to_its_end(server: Server, standin: WeightsFile) -> None:
    most = 0

    def on_progress(done: int, total: int, _: str) -> None:
        nonlocal most
        most = max(most, done)

    with pytest.raises(WeightsMissingError):
        fetch_weights(replace(standin, urls=(server.url("long"),)), on_progress)
    assert most <= standin.size


def test_an_interrupt_leaves_nothing(server: Server, standin: WeightsFile, cache: Path) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_weights(replace(standin, urls=(server.url("whole"),)), interrupt)
    assert list(cache.iterdir()) == []


def test_many_at_once(server: Server, standin: WeightsFile, cache: Path) -> None:
    file = replace(standin, urls=(server.url("whole"),))
    with ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(lambda _: fetch_weights(file), range(6)))
    assert set(paths) == set(cache.iterdir()) == {cache / I3D.name}
    assert paths[0].read_bytes() == server.content


def test_plain_http_and_strange_certificates_are_refused(
    standin: WeightsFile, certificate: Path, network_files: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    for certificate_or_none in (None, certificate):
        for server in serve((network_files / I3D.name).read_bytes(), certificate_or_none):
            with pytest.raises(WeightsMissingError, match="unknown url type|certificate"):
                fetch_weights(replace(standin, urls=(server.url("whole"),)))
            assert server.asked == []
    with pytest.raises(WeightsMissingError, match="unknown url type: file"):
        fetch_weights(replace(standin, urls=((network_files / I3D.name).as_uri(),)))
    assert list(cache.iterdir()) == []


def test_without_a_connection(standin: WeightsFile, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    with pytest.raises(WeightsMissingError, match="cannot be reached"):
        weights(replace(standin, urls=("https://localhost:1/file.pt",)))


def test_a_cache_that_cannot_be_written(server: Server, standin: WeightsFile, cache: Path) -> None:
    cache.write_text("a file in the place of the folder")
    with pytest.raises(WeightsMissingError, match="cannot be written"):
        fetch_weights(replace(standin, urls=(server.url("whole"),)))


def test_given_folder_first_then_cache(network_files: Path, standin: WeightsFile, cache: Path, tmp_path: Path) -> None:
    assert find_weights(standin, network_files) == network_files / I3D.name
    assert find_weights(standin, tmp_path) is None
    cache.mkdir()
    shutil.copy(network_files / I3D.name, cache)
    assert find_weights(standin, tmp_path) == weights(standin) == cache / I3D.name


@pytest.mark.parametrize("change", ["shorter", "other"])
def test_a_wrong_file_is_refused_and_replaced(server: Server, standin: WeightsFile, cache: Path, change: str) -> None:
    content = server.content[:-1] + (b"" if change == "shorter" else bytes([server.content[-1] ^ 1]))
    cache.mkdir()
    (cache / I3D.name).write_bytes(content)
    with pytest.raises(WeightsMissingError, match=f"is refused.*{standin.sha256} are expected.*eval --fetch"):
        find_weights(standin)
    fetch_weights(replace(standin, urls=(server.url("whole"),)))
    assert find_weights(standin) == cache / I3D.name


def test_a_stranger_is_never_loaded(network_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-ins carry the names of the real files, and are none of them."""

    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("was loaded")

    monkeypatch.setattr("torch.jit.load", load)
    with pytest.raises(WeightsMissingError, match="is refused"):
        pretrained.Inception(network_files / INCEPTION.name, "cpu")
    with pytest.raises(WeightsMissingError, match="is refused"):
        pretrained.I3DLogits(network_files / I3D.name, "cpu")
    with pytest.raises(WeightsMissingError, match="is refused"):
        pretrained.load_networks(["kvd2048_16f"], network_files, "cpu")


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SMOOTHVID_CACHE", raising=False)
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert module.cache_folder() == tmp_path / "xdg" / "smoothvid"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert module.cache_folder() == tmp_path / ".cache" / "smoothvid"
    monkeypatch.setattr(module.sys, "platform", "darwin")
    assert module.cache_folder() == tmp_path / "Library" / "Caches" / "smoothvid"
    monkeypatch.setenv("SMOOTHVID_CACHE", "~/elsewhere")
    assert module.cache_folder() == tmp_path / "elsewhere"


def test_the_real_files_are_the_published_ones() -> None:
    assert (INCEPTION.size, INCEPTION.sha256[:8]) == (95_607_719, "f58cb9b6")
    assert (I3D.size, I3D.sha256[:8]) == (51_235_320, "bec6519f")
    assert all(url.startswith("https://") for file in (INCEPTION, I3D) for url in file.urls)
