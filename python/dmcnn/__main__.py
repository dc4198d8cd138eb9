"""``dmcnn <command> …``: the same commands as ``python -m dmcnn.<command> …``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from dmcnn._common.errors import nearest
from dmcnn.settings import COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names; its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    usage = [f"  {name:10}{(cls.__doc__ or '').strip()}" for name, cls in COMMANDS.items()]
    text = "\n".join(
        ["usage: dmcnn COMMAND [file.cfg] [key=value …]", "", *usage, "", "dmcnn COMMAND --help lists keys."]
    )
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(text + "\n")
        return 0 if words else 2
    if words[0] not in COMMANDS:
        sys.stderr.write(f"dmcnn: unknown command {words[0]!r}{nearest(words[0], COMMANDS)}\n{text}\n")
        return 2
    status: int = import_module(f"dmcnn.{words[0]}").main(words[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
