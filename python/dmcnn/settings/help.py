"""Help texts, annotated cfg files and shell completion of every command, made from the settings."""

from __future__ import annotations

import shutil
import textwrap
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from dmcnn.settings import COMMANDS
from dmcnn.settings.base import OWN, Names, Settings

SHORT = {"-n": "entries", "--top": "top"}
"""Options of DM-CNN -> key."""

SWITCHES = {"--list-layers": "list_layers=True"}
"""Options without a value -> ``key=value``."""

REQUIRED = "required"
INDENT = 6 * " "
LAST = ("outputs", "machine")
"""Headings at the end of every help text."""


def type_name(annotation: Any) -> str:
    """Return the name of a type in errors and help: int, str or list, 'bce' or 'focal'."""
    if get_origin(annotation) is Annotated:
        return type_name(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return " or ".join(repr(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [type_name(part) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    return str(getattr(get_origin(annotation) or annotation, "__name__", annotation))


def field_type(field: FieldInfo) -> str:
    """Return the type or the valid words of a key, for errors and help."""
    words = [word for names in field.metadata if isinstance(names, Names) for word in names.known]
    return " or ".join([*map(repr, words), OWN]) if words else type_name(field.annotation)


def choices(field: FieldInfo) -> list[str]:
    """Return the built-in words of a key, or an empty list if any value of its type is valid."""
    kinds = field_type(field).split(" or ")
    return (
        ["True", "False"]
        if kinds == ["bool"]
        else [kind.strip("'") for kind in kinds if kind.startswith("'")]
    )


def sections(cls: type[Settings]) -> dict[str, list[str]]:
    """Return {heading: keys} of a command: required keys first, then the command's own, then those it shares."""
    keys = [
        key
        for base in cls.__mro__
        for key in vars(base).get("__annotations__", ())
        if key in cls.model_fields
    ]
    by_heading: dict[str, list[str]] = {REQUIRED: []}
    for key in dict.fromkeys(keys):
        heading = REQUIRED if cls.model_fields[key].is_required() else cls.section(key)
        by_heading.setdefault(heading, []).append(key)
    for heading in LAST:
        if heading in by_heading:
            by_heading[heading] = by_heading.pop(heading)
    return {heading: keys for heading, keys in by_heading.items() if keys}


def describe(command: str, width: int | None = None) -> str:
    """Return the help text: every key under its heading with type or choices, default, unit and meaning."""
    cls = COMMANDS[command]
    width = min(width or shutil.get_terminal_size().columns, 118)
    lines = [f"usage: dmcnn {command} [file.cfg] [key=value …]", "", *textwrap.wrap(str(cls.__doc__), width)]
    options = [f"{short} VALUE is {key}=VALUE" for short, key in SHORT.items() if key in cls.model_fields]
    options += [
        f"{short} is {word}" for short, word in SWITCHES.items() if word.split("=")[0] in cls.model_fields
    ]
    if options:
        lines += ["", ", ".join(options)]
    for heading, keys in sections(cls).items():
        lines += ["", heading]
        for key in keys:
            lines += _paragraph(cls, key, width)
    more = f"dmcnn cfg {command} > my.cfg writes all keys with their defaults, to be edited."
    return "\n".join([*lines, "", *textwrap.wrap(more, width)]) + "\n"


def _paragraph(cls: type[Settings], key: str, width: int) -> list[str]:
    """Return the lines about one key."""
    field = cls.model_fields[key]
    value = "" if field.is_required() else f" = {field.default!r}"
    head = f"  {key}{value}   ({field_type(field)})"
    return [
        head,
        *textwrap.wrap(
            str(field.description),
            width,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_on_hyphens=False,  # dark-trident is one word
        ),
    ]


def example_cfg(command: str) -> str:
    """Return an annotated cfg of a command: required keys with an example, all others as comments."""
    cls = COMMANDS[command]
    lines = [f"# dmcnn {command} THIS_FILE", *(f"# {line}" for line in textwrap.wrap(str(cls.__doc__), 100))]
    for heading, keys in sections(cls).items():
        lines += ["", f"# --- {heading} ---"]
        for key in keys:
            field = cls.model_fields[key]
            lines += [f"#   {line}" for line in textwrap.wrap(str(field.description), 100)]
            if field.is_required():
                example = (field.examples or [""])[0]
                lines.append(f"{key} = {example!r}")
            else:
                lines.append(f"# {key} = {field.default!r}   # {field_type(field)}")
    return "\n".join(lines) + "\n"


def completion(shell: str) -> str:
    """Return the text that makes a shell (bash, zsh or fish) complete commands, keys and choices of ``dmcnn``."""
    words = {name: [f"{key}=" for key in cls.model_fields] for name, cls in COMMANDS.items()}
    for name, cls in COMMANDS.items():
        for key, field in cls.model_fields.items():
            words[name] += [f"{key}={choice}" for choice in choices(field)]
    names = " ".join([*COMMANDS, "cfg", "completion", "help"])
    if shell == "fish":
        lines = [f"complete -c dmcnn -n __fish_use_subcommand -a '{names}'"]
        for name, listed in words.items():
            lines.append(f"complete -c dmcnn -n '__fish_seen_subcommand_from {name}' -a '{' '.join(listed)}'")
        return "\n".join(lines) + "\n"
    cases = "\n".join(f"        {name}) words='{' '.join(listed)}' ;;" for name, listed in words.items())
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return f"""{head}_dmcnn() {{
    local words current="${{COMP_LINE##* }}"
    COMPREPLY=()
    case "${{COMP_WORDS[1]}}" in
{cases}
        cfg|help) words='{" ".join(COMMANDS)}' ;;
        completion) words='bash zsh fish' ;;
        *) words='{names}' ;;
    esac
    [ "$COMP_CWORD" = 1 ] && words='{names}'
    local word strip=""
    [[ "$current" == *=* && "$COMP_WORDBREAKS" == *=* ]] && strip="${{current%%=*}}="
    for word in $(compgen -W "$words" -- "$current"); do COMPREPLY+=("${{word#"$strip"}}"); done
    compopt -o nospace -o default 2>/dev/null
}}
complete -F _dmcnn dmcnn
"""
