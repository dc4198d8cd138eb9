"""``dmcnn <command> …``: the same commands as ``python -m dmcnn.<command> …``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import dmcnn
from dmcnn._common.errors import nearest
from dmcnn.settings import COMMANDS
from dmcnn.settings.command import exit_status, say
from dmcnn.settings.help import completion, describe, example_cfg

SHELLS = ("bash", "zsh", "fish")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_status(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    """Run the command that the first of the words names, or describe what there is; return the exit status."""
    if not words or words[0] in ("-h", "--help") or words == ["help"]:
        say(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        say(f"dmcnn {dmcnn.__version__}\n")
        return 0
    texts: dict[str, tuple[Callable[[str], str], Sequence[str]]] = {
        "help": (describe, tuple(COMMANDS)),
        "cfg": (example_cfg, tuple(COMMANDS)),
        "completion": (completion, SHELLS),
    }
    if words[0] in texts:
        return _write(*texts[words[0]], words)
    if words[0] not in COMMANDS:
        known = [*COMMANDS, *texts]
        sys.stderr.write(f"dmcnn: unknown command {words[0]!r}{nearest(words[0], known)}\n{usage()}")
        return 2
    status: int = import_module(f"dmcnn.{words[0]}").main(words[1:])
    return status


def usage() -> str:
    """Return the overview of all commands."""
    rows = {name: str(cls.__doc__).strip() for name, cls in COMMANDS.items()}
    rows["help"] = "Describe the keys of a command, as dmcnn COMMAND --help does."
    rows["cfg"] = "Write an annotated cfg of a command: dmcnn cfg train > my.cfg"
    rows["completion"] = "Write what makes a shell complete commands and keys (bash, zsh, fish)."
    lines = [f"  {name:11}{text}" for name, text in rows.items()]
    return (
        "\n".join(["usage: dmcnn COMMAND [file.cfg] [key=value …]", "", *lines, "", "dmcnn --version"]) + "\n"
    )


def _write(text: Callable[[str], str], known: Sequence[str], words: Sequence[str]) -> int:
    """Write the text about the second word, if there is one and it is known."""
    if len(words) != 2 or words[1] not in known:
        hint = nearest(words[1], known) if len(words) == 2 else ""
        sys.stderr.write(f"dmcnn {words[0]}: expected one of {', '.join(known)}{hint}\n")
        return 2
    say(text(words[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
