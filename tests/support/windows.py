"""`sas-sandbox` on a Python that has only what Windows has: `python -m tests.support.windows up …`.

Modules and functions that Windows lacks are gone; what it has but does otherwise does so here: files that are open
are neither renamed, replaced nor removed, directories are not opened, event loops watch no signals and no descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import functools
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty", "uvloop")
FUNCTIONS = {
    os: "fork forkpty pread preadv pwrite pwritev readv writev fdatasync fchmod fchown chown getuid geteuid getgid "
    "getegid getpgid setsid killpg mkfifo nice openpty pipe2 posix_fadvise posix_fallocate sched_getaffinity sendfile "
    "set_blocking statvfs sync sysconf uname wait wait3 wait4 lockf WNOHANG O_CLOEXEC O_DIRECTORY O_DSYNC O_NOFOLLOW "
    "O_NONBLOCK O_SYNC O_TMPFILE",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pthread_sigmask setitimer sigwait",
    socket: "AF_UNIX SO_REUSEPORT send_fds recv_fds",
    asyncio: "start_unix_server open_unix_connection",
    time: "tzset",
}
LOOP = ("add_signal_handler", "add_reader", "add_writer")


def locks() -> types.ModuleType:
    """`msvcrt.locking`: the locked octet cannot be read by anybody else, and who meets a lock gets EACCES."""
    module: Any = types.ModuleType("msvcrt")
    module.LK_NBLCK = 2

    def locking(descriptor: int, mode: int, octets: int) -> None:
        assert (mode, octets) == (module.LK_NBLCK, 1)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) > os.fstat(descriptor).st_size
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(errno.EACCES, "Permission denied") from None

    module.locking = locking
    return module


def _is_open(path: Any) -> bool:
    wanted = os.path.abspath(path)
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{entry}") == wanted:
                return True
    return False


def unless_open(function: Callable[..., None]) -> Callable[..., None]:
    """That function of `os`, which fails when this process has one of its paths open."""

    def refusing(*paths: Any, **others: Any) -> None:
        for path in paths:
            if _is_open(path):
                raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))
        function(*paths, **others)

    return refusing


def _files_only(real: Callable[..., int]) -> Callable[..., int]:
    def opening(path: Any, *arguments: Any, **others: Any) -> int:
        descriptor = real(path, *arguments, **others)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return descriptor

    return opening


def _bind(real: Callable[..., None]) -> Callable[..., None]:
    """A port is free as soon as nobody listens; SO_REUSEADDR is left to whoever wants to take another's."""

    def binding(sock: socket.socket, address: Any) -> None:
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        real(sock, address)

    return binding


def _no_signal_0(process: int, number: int) -> None:
    raise AssertionError(f"os.kill({process}, {number}) ends processes on Windows")


def _not_implemented(*_: Any) -> None:
    raise NotImplementedError


def become_windows() -> None:
    """From here on this process has what Windows has."""
    sys.modules["msvcrt"] = locks()
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile  # as the module does there
    for function in ("replace", "rename", "unlink", "remove"):
        setattr(os, function, unless_open(getattr(os, function)))
    socket.socket.bind = _bind(socket.socket.bind)  # type: ignore[method-assign]
    os.open, os.kill = _files_only(os.open), _no_signal_0
    socket.socketpair = functools.partial(socket.socketpair, socket.AF_UNIX)  # there: two sockets of 127.0.0.1
    for name in LOOP:
        setattr(asyncio.SelectorEventLoop, name, _not_implemented)
    for module, names in FUNCTIONS.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    sys.modules.update(dict.fromkeys(MODULES))  # type: ignore[arg-type] - None: ImportError


if __name__ == "__main__":
    Path("/proc/self/fd").stat()
    become_windows()
    from sandbox.cli import main

    sys.exit(main())
