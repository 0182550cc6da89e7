"""Files that are whole or not there: everything is written beside its place and moved into it."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import json
import os
import platform
import select
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from filelock import BaseFileLock, FileLock, Timeout
from loguru import logger
from safetensors import SafetensorError, safe_open

from the_experiment.base.errors import ExperimentError

try:
    import fcntl
except ModuleNotFoundError:  # Windows removes no file that is open
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".the-experiment.partial"  # the ending of a file that is being written
JUST_BEGUN = 5.0  # seconds that its writer may need to lock it
PATIENCE = 2.0  # seconds to wait for the writer of a pipe
LONGEST_TEXT = 100_000  # characters of a file that somebody wrote by hand
# Named after the machine: where several share a folder, locks may be unknown to the others.
LOCK = f"{platform.node()}.lock"


@contextmanager
def plain_os_errors(doing: str) -> Iterator[None]:
    """Turn the operating system's refusals (full disk, no permission) into one plain error."""
    try:
        yield
    except (OSError, SafetensorError) as error:  # safetensors words an OSError of its own
        reason = getattr(error, "strerror", None) or str(error)
        file = getattr(error, "filename", None)
        where = f" ({file})" if file else ""
        raise ExperimentError(f"{doing} failed: {reason}{where}", _hint(error)) from error


def _hint(error: Exception) -> str:
    full = {errno.ENOSPC, errno.EDQUOT} & {getattr(error, "errno", None)}
    if full or "No space left" in str(error):  # safetensors passes on the words alone
        return "free some space, or choose a folder on another disk"
    return "choose a folder that you can write to"


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends well.

    If the block raises, or the process is killed in it, `target` is as it was. The last step is
    two renames; killed between them, for microseconds, what was there is in the hidden folder
    beside it that ends in `.old`. What a killed process left half written, the next one removes.
    """
    with plain_os_errors(f"writing {target}"):
        target = target.resolve()  # where `target` is a link, it stays one
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        lock = FileLock(beside / LOCK)  # the system ends it with the process
        try:
            _acquired(lock)
            new = beside / "new"
            new.mkdir()
            yield new
            _swap_in(new, target, beside.with_name(beside.name + ".old"))
        finally:
            lock.release()
            shutil.rmtree(beside, ignore_errors=True)


def _swap_in(new: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(target: Path) -> None:
    """Remove what processes of this machine that are gone left of replacing `target`."""
    for beside in target.parent.iterdir():
        if beside.name.startswith(f".{target.name}.") and (beside / LOCK).is_file():
            lock = FileLock(beside / LOCK)
            if _acquired(lock):
                lock.release()
                shutil.rmtree(beside, ignore_errors=True)


def _acquired(lock: BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError, NotImplementedError):  # some file systems have no locks
        return False
    return True


def archived(folder: Path, archive: Path) -> Path:
    """Move `folder` into `archive` under a name that is free, and return where it went."""
    archive.mkdir(parents=True, exist_ok=True)
    stem = f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    place, copy = archive / stem, 1
    while place.exists():
        copy += 1
        place = archive / f"{stem}-{copy}"
    shutil.move(folder, place)  # a rename, unless the archive is on another disk
    return place


@contextmanager
def locked(lock_file: Path, doing: str) -> Iterator[None]:
    """Wait until no other process is in a block of this lock, which ends with its process.

    `doing` is told of a process that has to be waited for.
    """
    with plain_os_errors(f"writing to {lock_file.parent}"):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            logger.info("waiting for another process that {}", doing)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_locked(lock_file: Path) -> bool:
    """Whether a process is in a block of this lock."""
    if not lock_file.is_file():
        return False
    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes its place when the block ends well."""
    with plain_os_errors(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_partial(path.parent.resolve())
        handle, name = tempfile.mkstemp(PARTIAL, f".{path.name}.", path.parent)
        try:
            with _marked_as_ours(handle):
                yield Path(name)
                Path(name).chmod(0o644)  # mkstemp gives 0600
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _marked_as_ours(handle: int) -> Iterator[None]:
    """Hold a lock on an open file, which the system ends with the process, and close it after."""
    try:
        if fcntl:
            with suppress(OSError):  # some file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@cache  # once a process: to list a large folder takes long
def _remove_partial(folder: Path) -> None:
    """Remove what killed processes left of files that they wrote to a folder."""
    with os.scandir(folder) as there:
        partial = [one for one in there if one.name[0] == "." and one.name.endswith(PARTIAL)]
    for one in partial:
        if _is_abandoned(Path(one.path)):
            with suppress(OSError):  # somebody else's
                Path(one.path).unlink(missing_ok=True)


def _is_abandoned(file: Path) -> bool:
    """Whether no process writes this file, as far as can be told."""
    if not fcntl:
        return False
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return time.time() - os.fstat(opened.fileno()).st_mtime > JUST_BEGUN
    except OSError:
        return False


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new, never half of either."""
    with replaced_file(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_text(path: Path, longest: int = LONGEST_TEXT) -> str:
    """The text of a file that somebody named, or of a pipe, up to one character too many.

    Raises `ExperimentError` for what can't be read or is no text, and for a pipe that nobody
    writes to.
    """
    try:
        with _opened(path) as file:
            return file.read(longest + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise ExperimentError(f"{path} can't be read: {reason}") from None


def _opened(path: Path) -> TextIO:
    """An open file. Raises `OSError` for a pipe that nobody writes to: it would be waited for."""
    if not path.is_fifo():
        return path.open(encoding="utf-8")
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not select.select([end], [], [], PATIENCE)[0]:
        os.close(end)
        raise OSError(errno.EAGAIN, "it is a pipe with no writer", str(path))
    os.set_blocking(end, True)
    return os.fdopen(end, encoding="utf-8")


def read_json(path: Path, hint: str = "") -> Any:
    """Read a JSON file; a file that is missing or torn is an `ExperimentError` with this hint."""
    try:
        with _opened(path) as file:
            return json.load(file)
    except FileNotFoundError:
        raise ExperimentError(f"{path} is missing", hint) from None
    except OSError as error:
        raise ExperimentError(f"{path} can't be read: {error.strerror}", hint) from None
    except (ValueError, RecursionError) as error:
        raise ExperimentError(f"{path} is not valid JSON ({error})", hint) from None


def refuse_torn_weights(path: Path, hint: str) -> None:
    """Raise `ExperimentError` where a safetensors file is not as long as its header says."""
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise ExperimentError(f"{path} is incomplete ({error})", hint) from None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read a JSONL file of objects, also gzipped; a torn or foreign line is named by its number.

    A mark of UTF-8 at its beginning and empty lines at its end are no part of it.
    """
    if not path.is_file():
        raise ExperimentError(f"{path} is missing", "run `the-experiment generate`")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise ExperimentError(f"{path} can't be read ({error})", "write it again") from None
    content = content.removeprefix(codecs.BOM_UTF8).rstrip()
    lines = content.split(b"\n") if content else []
    return [_json_object(line, f"{path}, line {n}") for n, line in enumerate(lines, start=1)]


def _json_object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ExperimentError(
            f"{where} is not UTF-8 ({error.reason})", "save the file again, in UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ExperimentError(
            f"{where} is not valid JSON ({error})",
            "fix or remove that line, or write the file again",
        ) from None
    if not isinstance(row, dict):
        raise ExperimentError(f"{where} is not a JSON object")
    return row


def sha256(path: Path) -> str:
    """The SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
