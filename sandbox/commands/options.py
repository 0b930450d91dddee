"""What the commands on a data directory share: the flags that say which one, and its settings."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from sandbox.config import Settings, load_settings

Commands = Any  # argparse names no public type for what `add_subparsers` returns


def directory_options(parser: argparse.ArgumentParser) -> None:
    """Flags that name the sandbox whose files a command works on."""
    parser.add_argument("--data-dir", metavar="DIR", help="data directory of the sandbox (.sandbox)")
    config_option(parser)


def config_option(parser: argparse.ArgumentParser) -> None:
    """The flag of the configuration file."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file of settings (environment: SAS_SANDBOX_CONFIG)"
    )


def settings_of(options: argparse.Namespace, *flags: str) -> Settings:
    """The settings of a command: its flags, the environment, the file. Raises UsageError."""
    file = options.config or (Path(os.environ["SAS_SANDBOX_CONFIG"]) if "SAS_SANDBOX_CONFIG" in os.environ else None)
    return load_settings({name: getattr(options, name) for name in flags}, os.environ, file)


def program() -> str:
    """This command as the person can type it again."""
    from sandbox.banner import quoted

    called = Path(sys.argv[0])
    if called.stem == "sas-sandbox":
        return "sas-sandbox" if shutil.which("sas-sandbox") == str(called) else quoted(str(called))
    return f"{quoted(sys.executable)} -m sandbox.cli"


def python() -> str:
    """The Python that this command runs on, as the person can type it."""
    from sandbox.banner import quoted

    beside = Path(sys.argv[0]).with_name(Path(sys.executable).name)
    return quoted(str(beside) if beside.exists() else sys.executable)
