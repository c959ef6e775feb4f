"""The download code against a server on this machine: right, wrong, gone, broken off, nowhere to write to."""

import gzip
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from halflife.lab import StudyError
from halflife.lab.problems import problem_named
from halflife.lab.problems.files import CIFAR10, read_cifar, read_fashion_mnist, read_shakespeare
from halflife.lab.problems.files.archives import ARCHIVES, Archive
from halflife.lab.problems.files.download import fetch

from .data_files import cifar_binary, cifar_images, idx, tar_of


class Server:
    """Serves ``files``; ``sent`` says how much of each is sent before the connection is closed."""

    def __init__(self):
        self.files, self.sent, self.asked = {}, {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.strip("/")
                outer.asked.append(name)
                if name not in outer.files:
                    self.send_error(404)
                    return
                content = outer.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: outer.sent.get(name)])

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def archive(self, name, content, checksum=None):
        self.files[name] = content
        return Archive(name, f"{self.url}/{name}", checksum or "md5:" + hashlib.md5(content).hexdigest())

    def stop(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.stop()


CONTENT = bytes(range(256)) * 4096


def test_a_file_is_fetched_once(server, tmp_path):
    archive = server.archive("a.bin", CONTENT)
    for _ in range(2):
        path = fetch(archive, tmp_path / "made" / "for it")
        assert path.read_bytes() == CONTENT
    assert server.asked == ["a.bin"]


def test_a_wrong_checksum_is_told_and_the_file_removed(server, tmp_path):
    archive = server.archive("a.bin", CONTENT, "md5:" + "0" * 32)
    with pytest.raises(
        StudyError, match=f"{server.url}/a.bin sent is not what it should be: its checksum is not md5:0+"
    ):
        fetch(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_the_disk_with_a_wrong_checksum_is_fetched_again(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT[:1000])
    assert fetch(server.archive("a.bin", CONTENT), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [0, 1, len(CONTENT) // 2, len(CONTENT) - 1])
def test_a_download_that_breaks_off_leaves_nothing_and_starts_anew(server, tmp_path, sent):
    archive = server.archive("a.bin", CONTENT)
    server.sent["a.bin"] = sent
    with pytest.raises(StudyError, match="could not be fetched") as caught:
        fetch(archive, tmp_path)
    assert archive.url in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    server.sent.clear()
    assert fetch(archive, tmp_path).read_bytes() == CONTENT


def test_a_file_that_the_server_does_not_have(server, tmp_path):
    with pytest.raises(StudyError, match=r"b.bin could not be fetched \(the server answered 404\)"):
        fetch(server.archive("a.bin", CONTENT)._replace(url=f"{server.url}/b.bin"), tmp_path)


def test_a_server_that_is_gone_is_told_by_name_with_what_to_do(server, tmp_path):
    archive = server.archive("a.bin", CONTENT)
    server.stop()
    with pytest.raises(StudyError, match=r"could not be fetched \(no connection\)") as caught:
        fetch(archive, tmp_path)
    assert all(word in str(caught.value) for word in (archive.url, "a.bin", "--data-dir", "HALFLIFE_DATA"))
    server.http.server_close = server.http.shutdown = lambda: None  # it is stopped already


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(StudyError, match=r"a.bin cannot be written to .*file.*--data-dir or HALFLIFE_DATA"):
        fetch(server.archive("a.bin", CONTENT), tmp_path / "file" / "cache")


def test_a_folder_that_is_read_only_is_told(server, tmp_path):
    tmp_path.chmod(0o555)
    for folder in list(tmp_path.parents)[:2] if os.geteuid() == 0 else ():
        folder.chmod(0o755)  # root may write anywhere, so somebody else is to try, who must get there
    before = os.geteuid()
    try:
        if before == 0:
            os.seteuid(65534)
        with pytest.raises(StudyError, match=r"a.bin cannot be written to .*Permission|permission"):
            fetch(server.archive("a.bin", CONTENT), tmp_path)
    finally:
        os.seteuid(before)
        tmp_path.chmod(0o755)


def test_a_full_disk_is_told(server, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(StudyError, match=r"cannot be written to .* \(No space left on device\)"):
        fetch(server.archive("a.bin", CONTENT), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("terminal", [True, False])
def test_there_is_a_bar_on_a_terminal_alone(server, tmp_path, capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    fetch(server.archive("a.bin", CONTENT), tmp_path)
    assert ("100%" in capsys.readouterr().err) == terminal


def serve(server, monkeypatch, name, content):
    """In place of the official file of this name."""
    monkeypatch.setitem(ARCHIVES, name, server.archive(name, content))


def test_cifar10_is_read_from_the_archive_as_it_comes(server, tmp_path, monkeypatch):
    parts = {f"data_batch_{i}.bin": cifar_images(20, 10, i) for i in range(1, 6)} | {
        "test_batch.bin": cifar_images(10, 10)
    }
    archive = tar_of({"readme.html": b"", **{name: cifar_binary(*part) for name, part in parts.items()}})
    serve(server, monkeypatch, "cifar-10-binary.tar.gz", archive)
    for _ in range(2):
        found = read_cifar(CIFAR10, tmp_path)
        assert (len(found.train), len(found.test)) == (100, 10)
        np.testing.assert_array_equal(found.train.pixels[40:60], parts["data_batch_3.bin"][0])
    assert server.asked == ["cifar-10-binary.tar.gz"]
    problem = problem_named("cifar10", tmp_path)
    assert (len(problem.train), len(problem.val), len(problem.test)) == (90, 10, 10)


def test_an_archive_that_lacks_a_file_is_told(server, tmp_path, monkeypatch):
    archive = tar_of({"data_batch_1.bin": cifar_binary(*cifar_images(10, 10))})
    serve(server, monkeypatch, "cifar-10-binary.tar.gz", archive)
    with pytest.raises(StudyError, match=r"lacks data_batch_2.bin, .*test_batch.bin"):
        read_cifar(CIFAR10, tmp_path)


def test_fashion_mnist_fetches_what_lacks(server, tmp_path, monkeypatch):
    for part in ("train", "t10k"):
        serve(server, monkeypatch, f"{part}-images-idx3-ubyte.gz", gzip.compress(idx(np.zeros((10, 28, 28), np.uint8))))
        serve(server, monkeypatch, f"{part}-labels-idx1-ubyte.gz", gzip.compress(idx(np.arange(10, dtype=np.uint8))))
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(10, dtype=np.uint8)[::-1].copy()))
    found = read_fashion_mnist(tmp_path)
    assert found.train.labels.tolist() == found.test.labels.tolist()[::-1] == list(range(10))
    assert sorted(server.asked) == sorted(set(server.files) - {"t10k-labels-idx1-ubyte.gz"})


def test_shakespeare_is_fetched(server, tmp_path, monkeypatch):
    serve(server, monkeypatch, "input.txt", b"Speak, speak.")
    assert read_shakespeare(tmp_path) == "Speak, speak."


def test_the_table_is_official():
    assert {url.split("/")[2] for _, url, _ in ARCHIVES.values()} == {
        "www.cs.toronto.edu",
        "fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "raw.githubusercontent.com",
    }
    for name, archive in ARCHIVES.items():
        algorithm, digest = archive.checksum.split(":")
        assert name == archive.name == archive.url.rsplit("/", 1)[1]
        assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
