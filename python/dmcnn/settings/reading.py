"""Reading of images from files: the keys that every command on images has, made from the options of readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import Field, create_model

from dmcnn.readers import READERS
from dmcnn.settings.base import Conflict, Settings, setting


def _cfg_type(hint: Any, bounds: dict[str, Any]) -> Any:
    """Return the type of a cfg's value of an option, each number of it within bounds; a list for a sequence."""
    if get_origin(hint) in (Sequence, tuple):
        return list[_cfg_type(get_args(hint)[0], bounds)]  # type: ignore[misc]  # made of the option's own type
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_cfg_type(part, bounds) for part in get_args(hint))]  # noqa: UP007
    return Annotated[hint, Field(**bounds)] if hint in (int, float) and bounds else hint


def _keys() -> dict[str, Any]:
    """Return name -> (type, setting) of the options that a cfg may give, each once."""
    keys: dict[str, Any] = {}
    for _, options in READERS.values():
        hints = get_type_hints(options)
        for entry in fields(options):
            about = entry.metadata
            if about["cfg"] is False or entry.name in keys:
                continue
            text = f"[{about['unit']}] {about['description']}" if about["unit"] else about["description"]
            lengths = {name: value for name, value in about["bounds"].items() if name.endswith("_length")}
            bounds = {name: value for name, value in about["bounds"].items() if name not in lengths}
            kind, default = _cfg_type(hints[entry.name], bounds), entry.default
            if about["cfg"] is None:
                kind, default = kind | None, None
            keys[entry.name] = kind, setting(default, options.section, text, **lengths)
    return keys


if TYPE_CHECKING:
    Options = Settings
else:
    Options = create_model("Options", __base__=Settings, **_keys())


class Reading(Options):
    """How images are taken from files."""

    reader: str | None = setting(
        None,
        "images",
        "reader of your own for files that dmcnn does not know, module:Name as of model, or of a package",
    )
    reader_options: dict[str, Any] | None = setting(None, "images", "options of that reader: {name: value}")
    GPUID: str = setting(
        "",
        "machine",
        'number of the GPU, or "cpu"; default: the first GPU if there is one',
        resume="free",
        trials="free",
    )

    def reading(self) -> dict[str, Any]:
        """Return the options of readers that are given."""
        found = {name: getattr(self, name) for name in Reading.model_fields if name not in ("name", "GPUID")}
        return {name: value for name, value in found.items() if value is not None}

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        for low, high in (("adc_lo", "adc_hi"), ("time_lo", "time_hi")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least >= most:
                yield (low, high), f"{low} = {least:g} is not below {high} = {most:g}"
        given = self.reading()
        if {"plane", "image_index"} <= given.keys():
            yield ("image_index", "plane"), "plane and image_index both choose the image: give one"
        if len({"xdim", "ydim"} & given.keys()) == 1:
            yield ("xdim", "ydim"), "xdim and ydim go together"
