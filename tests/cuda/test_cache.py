"""What lies in the cache is executed: nobody else can put it there, it is whole, and there is not too much of it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import halflife
from halflife.engines.cuda import cache, host

from .anew import forget, needs_compiler, trained

posix = pytest.mark.skipif(os.name == "nt", reason="other people's files are another matter there")
as_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to give files away")
STRANGER = 54321


def made(key: str = "key", text: str = "content", suffix: str = ".txt") -> Path:
    return cache.artifact((key,), suffix, lambda to: Path(to).write_text(text, encoding="utf-8") and None)


def never(to: Path) -> None:
    raise AssertionError("it is there already")


def test_it_is_made_once_in_a_folder_of_ones_own(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = made()
    assert path.parent == tmp_path / "cache"
    assert path.read_text(encoding="utf-8") == "content"
    assert cache.artifact(("key",), ".txt", never) == path
    forget()
    assert cache.artifact(("key",), ".txt", never) == path
    for other in (("key", ""), ("k", "ey"), ("another",)):
        with pytest.raises(AssertionError):
            cache.artifact(other, ".txt", never)
    assert [x.name for x in path.parent.iterdir()] == [path.name]
    if os.name != "nt":
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_make_raises_leaves_nothing(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    anew.setattr(tempfile, "tempdir", str(temporary))
    for error in (ValueError, OSError, KeyboardInterrupt):

        def fail(to: Path, error: type[BaseException] = error) -> None:
            Path(to).write_text("half", encoding="utf-8")
            raise error("made")

        with pytest.raises(error, match="made"):
            cache.artifact(("key",), ".txt", fail)
    assert not list(cache.place().path.iterdir())
    assert not list(temporary.iterdir())


def linked(path: Path) -> None:
    path.rename(path.parent.parent / "moved")
    path.symlink_to(path.parent.parent / "moved")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "cut short": lambda path: os.truncate(path, 3),
    "empty": lambda path: os.truncate(path, 0),
    "one bit": lambda path: path.write_bytes(b"cOntent"),
    "longer": lambda path: path.write_bytes(b"content "),
    "group's": lambda path: path.chmod(0o660),
    "everybody's": lambda path: path.chmod(0o606),
    "a link": linked,
    "a folder": folder_instead,
}


@posix
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_whole_or_not_ours_is_made_anew(damage: str, anew: pytest.MonkeyPatch) -> None:
    DAMAGE[damage](made())
    path = made()
    assert path.read_text(encoding="utf-8") == "content"
    assert not path.is_symlink()
    if damage != "a folder":  # that is nobody's kernel, and left alone
        assert cache.artifact(("key",), ".txt", never) == path


@posix
@as_root
def test_a_strangers_file_is_made_anew(anew: pytest.MonkeyPatch) -> None:
    path = made()
    os.chown(path, STRANGER, STRANGER)
    assert made().stat().st_uid == 0


def not_used(words: str) -> None:
    """The folder that was asked for is not taken, and it is said why."""
    wanted = os.environ[cache.FOLDER]
    with pytest.warns(UserWarning, match=rf"^{cache.FOLDER}={wanted} is not used, for .*{words}.*compiles its kernels"):
        place = cache.place()
    assert words in str(place.trouble)
    assert place.path.parent == Path(tempfile.gettempdir())
    assert place.path.name.startswith("halflife-")
    assert made().parent == place.path


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_folder_that_others_can_write_into_is_not_used(mode: int, anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    not_used(f"others can write into {tmp_path / 'cache'}")


@posix
def test_a_folder_that_others_can_move_away_is_not_used(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    anew.setenv(cache.FOLDER, str(tmp_path / "open" / "cache"))
    not_used(f"others can write into {tmp_path / 'open'}")
    (tmp_path / "open").chmod(0o1777)  # as /tmp is
    forget()
    assert cache.place() == (tmp_path / "open" / "cache", None)


@posix
@as_root
@pytest.mark.parametrize("through", ["itself", "a link", "a folder above"])
def test_a_strangers_folder_is_not_used(through: str, anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, STRANGER, STRANGER)
    if through == "a link":
        (tmp_path / "cache").symlink_to(theirs)
    else:
        anew.setenv(cache.FOLDER, str(theirs if through == "itself" else theirs / "cache"))
    not_used(f"{theirs} is another user's")


@posix
def test_a_link_to_ones_own_folder_is_followed(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "own")
    assert made().parent == tmp_path / "own"


@pytest.mark.parametrize("kind", ["a file", "a broken link", "a loop"])
def test_what_cannot_be_a_folder_is_not_used(kind: str, anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "cache"
    if kind == "a file":
        path.write_text("", encoding="utf-8")
    else:
        path.symlink_to(tmp_path / "none" if kind == "a broken link" else path)
    not_used("it cannot be made or read")


def test_where_it_lies(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def lies(**variables: str | None) -> Path:
        for name, value in ({cache.FOLDER: None, "XDG_CACHE_HOME": None, "HOME": str(tmp_path)} | variables).items():
            anew.delenv(name, raising=False) if value is None else anew.setenv(name, value)
        forget()
        return cache.place().path

    assert lies() == tmp_path / ".cache" / "halflife"
    assert lies(XDG_CACHE_HOME=str(tmp_path / "xdg")) == tmp_path / "xdg" / "halflife"
    assert lies(XDG_CACHE_HOME="no/absolute/path") == tmp_path / ".cache" / "halflife"
    assert lies(**{cache.FOLDER: "~/own"}) == tmp_path / "own"
    anew.chdir(tmp_path)
    assert lies(**{cache.FOLDER: "sub/own"}) == tmp_path / "sub" / "own"
    (tmp_path / "elsewhere").mkdir()
    anew.chdir(tmp_path / "elsewhere")
    assert cache.place().path == tmp_path / "sub" / "own"
    assert made().parent == tmp_path / "sub" / "own"
    anew.setattr(os.path, "expanduser", lambda path: str(tmp_path / "passwd") + path[1:] if path[0] == "~" else path)
    assert lies(HOME=None) == tmp_path / "passwd" / ".cache" / "halflife"


def test_no_home_at_all(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of this process, without a warning, for none was named."""
    anew.delenv(cache.FOLDER)
    anew.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "file").write_text("", encoding="utf-8")
    anew.setenv("HOME", str(tmp_path / "file"))
    assert "it cannot be made or read" in str(cache.place().trouble)
    assert made().read_text(encoding="utf-8") == "content"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_is_full_or_read_only(number: int, anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What lies there is used, and what is new ends with this process."""
    old, mkstemp = made("old"), tempfile.mkstemp

    def refused(*given: Any, dir: Any = None, **named: Any) -> Any:
        if Path(dir) == tmp_path / "cache":
            raise OSError(number, os.strerror(number))
        return mkstemp(*given, dir=dir, **named)

    anew.setattr(tempfile, "mkstemp", refused)
    path = made("new")
    assert path.read_text(encoding="utf-8") == "content"
    assert path.parent.parent == Path(tempfile.gettempdir())
    assert cache.artifact(("old",), ".txt", never) == old
    assert cache.place() == (tmp_path / "cache", None)


def test_no_temporary_folder_either_is_said(anew: pytest.MonkeyPatch) -> None:
    def nowhere(*given: Any, **named: Any) -> Any:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    anew.setattr(tempfile, "mkdtemp", nowhere)
    optimizer, _ = trained(halflife.SGDW, engine="compiled", lr=0.1)
    reason = repr(optimizer)
    if not host.obstacle():
        assert "not compiled: there is no folder to compile a kernel in ([Errno 2] No usable temporary" in reason


def run(program: str, **variables: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    package = str(Path(halflife.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env, encoding="utf-8").stdout


LAST_RESORT = """
    import os
    from halflife.engines.cuda import cache
    path = cache.artifact(("key",), ".txt", lambda to: to.write_text("content") and None)
    print(path.parent)
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            raise SystemExit(0)
        os.waitpid(child, 0)
    assert path.read_text() == "content"
"""


def test_the_folder_of_last_resort_ends_with_its_process_and_not_with_a_fork(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    before = {*Path(tempfile.gettempdir()).glob("halflife-*")}
    path = Path(run(LAST_RESORT, HALFLIFE_CACHE=str(tmp_path / "file")).strip())
    assert path.name.startswith("halflife-")
    assert path not in before
    assert not path.exists()


AT_ONCE = """
    import os, time
    from halflife.engines.cuda import cache
    def make(to):
        with open(to, "w") as file:
            for k in range(40):
                file.write(f"{k} {os.getpid()}\\n")
                file.flush()
                time.sleep(0.005)
    for key in range(4):
        path = cache.artifact((str(key),), ".txt", make)
        lines = path.read_text().splitlines()
        assert len(lines) == 40 and len({line.split()[1] for line in lines}) == 1, lines
"""


def test_two_processes_at_once(anew: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = str(Path(halflife.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package, cache.FOLDER: str(tmp_path / "cache")}
    command = [sys.executable, "-c", textwrap.dedent(AT_ONCE)]
    both = [subprocess.Popen(command, env=env) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    names = [path.name for path in (tmp_path / "cache").iterdir()]
    assert len({name[:32] for name in names}) == 4
    assert all(name.endswith(".txt") for name in names)


def aged(path: Path, hours: float) -> Path:
    then = path.stat().st_mtime - 3600 * hours
    os.utime(path, (then, then))
    return path


def test_what_was_not_used_for_longest_goes_first(anew: pytest.MonkeyPatch) -> None:
    anew.setattr(cache, "MOST_FILES", 3)
    paths = [aged(made(str(k)), 5 - k) for k in range(3)]
    foreign = paths[0].with_name("notes.txt")
    foreign.write_text("mine", encoding="utf-8")
    assert cache.artifact(("0",), ".txt", never) == paths[0]  # and is used now
    new = made("new")
    assert [path.exists() for path in (*paths, new)] == [True, False, True, True]
    assert foreign.exists()
    anew.setattr(cache, "MOST_FILES", 4000)
    anew.setattr(cache, "MOST_BYTES", 20)
    newest = made("newest")  # of seven bytes, as all are
    assert [path.exists() for path in (*paths, new, newest)] == [False, False, False, True, True]
    assert made("large", "x" * 100).exists()
    assert cache.usage() == (1, 100, 1)


def test_what_was_never_finished_goes_after_an_hour(anew: pytest.MonkeyPatch) -> None:
    folder = made().parent
    for name in ("part-new", "part-old"):
        (folder / name).write_text("half", encoding="utf-8")
    aged(folder / "part-old", 2)
    made("another")
    assert [(folder / name).exists() for name in ("part-new", "part-old")] == [True, False]


def test_it_can_be_cleared(anew: pytest.MonkeyPatch) -> None:
    assert cache.usage() == cache.clear() == (0, 0, 0)
    for k in range(3):
        made(str(k))
    (cache.place().path / "notes.txt").write_text("mine", encoding="utf-8")
    assert cache.usage() == cache.clear() == (3, 21, 3)
    assert cache.usage() == (0, 0, 0)
    assert [path.name for path in cache.place().path.iterdir()] == ["notes.txt"]


@needs_compiler
def test_a_kernel_that_was_cut_short_is_compiled_anew(anew: pytest.MonkeyPatch) -> None:
    """What is loaded of such a file ends the process."""
    trained(halflife.SGDW, engine="compiled", lr=0.1)
    for path in cache.place().path.glob("*.so"):
        content = path.read_bytes()
        path.unlink()  # this process has the whole one in its memory
        path.write_bytes(content[:8000])
    forget()
    optimizer, _ = trained(halflife.SGDW, engine="compiled", lr=0.1)
    assert "engine: compiled" in repr(optimizer)
    assert all(path.stat().st_size > 8000 for path in cache.place().path.glob("*.so"))


@needs_compiler
def test_a_folder_that_allows_no_programs_is_said(anew: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> Any:
        raise OSError(f"{path}: failed to map segment from shared object")

    anew.setattr(host.ctypes, "CDLL", refused)
    optimizer, _ = trained(halflife.SGDW, engine="compiled", lr=0.1)
    assert "a compiled kernel does not load (" in repr(optimizer)
    assert f"allows no programs, let {cache.FOLDER} name another folder" in repr(optimizer)
