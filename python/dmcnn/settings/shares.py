"""Settings of shares: one work done by many processes with nothing but a shared file system."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator

from dmcnn._common import plugins
from dmcnn._common.errors import InputError
from dmcnn._common.farm import run_shares
from dmcnn._common.provenance import provenance_of, read_provenance
from dmcnn._common.shares import TAG, Share
from dmcnn.settings.base import Conflict, Settings, setting
from dmcnn.settings.cfg import read_cfg

log = logging.getLogger("dmcnn")

Self = TypeVar("Self", bound="ShareSettings")

LISTED = 10
"""Number of missing results of a share that are listed one by one."""


def _share(text: str) -> str:
    """Return the text of a share; ValueError for any other."""
    return str(Share.parse(text))


def _scheduler(text: str) -> str:
    """Return "dask" or the address of a scheduler; ValueError for any other text."""
    if text != "dask" and not re.fullmatch(r"(tcp|tls)://\S+:\d+", text):
        raise ValueError('expected "dask", or the address of a scheduler such as tcp://host:8786')
    return text


class ShareSettings(Settings):
    """Keys of a work in shares."""

    share: Annotated[str, AfterValidator(_share)] | None = setting(
        None,
        "shares",
        'do this share of the work alone, "0/100" to "99/100": always the same events, whoever does it; '
        "processes of any number of machines share output_dir, and nothing else",
        resume="free",
    )
    check_shares: bool = setting(
        False,
        "shares",
        "say which shares are missing; if none is, and all are of the same weights, settings and inputs, write the "
        "results of all as if there had been no shares",
        resume="free",
    )

    farm: Annotated[str, AfterValidator(_scheduler)] | None = setting(
        None,
        "shares",
        'do all shares on the workers of Dask, then check_shares: "dask" = the cores of this machine, or the '
        "address of a scheduler, tcp://host:port",
        resume="free",
    )
    shares: int | None = setting(
        None,
        "shares",
        "number of shares of farm (default: one for each thread of its workers)",
        ge=1,
        resume="free",
    )

    free_in_shares: ClassVar[frozenset[str]] = frozenset(
        {
            "share",
            "check_shares",
            "farm",
            "shares",
            "input_file",
            "weight_file",
            "output_dir",
            "GPUID",
            "batch_size",
            "engine",
        }
    )
    """Keys in which the shares of one work may differ; inputs and weights are compared by their bytes."""

    @property
    def own_share(self) -> Share:
        """The share to do; all of the work where none is given."""
        return Share.parse(self.share) if self.share else Share(0, 1)

    @property
    def share_tag(self) -> str:
        """Addition to the names of files that belong to the share alone."""
        return self.own_share.tag if self.share else ""

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if self.share is not None and (self.check_shares or self.farm is not None):
            yield (
                ("check_shares", "farm", "share"),
                "check_shares and farm are about all shares: leave share out",
            )
        if self.shares is not None and self.farm is None:
            yield ("shares",), "shares is the number of shares of farm: give farm, too"

    passes_over_files: ClassVar[bool] = False
    """Whether a share that fails on some files has finished the others, so that all shares can be merged."""

    def run_farm(self: Self, command: str) -> Self:
        """Run all shares of a command on the farm; return the settings that merge their results.

        Raises:
            InputError: shares have failed; where they pass over files, a warning tells it.
        """
        everything = self.model_copy(update={"farm": None, "shares": None})
        address = self.farm or "dask"
        faults = run_shares(command, everything.text(""), self.shares, address, plugins.folders())
        if faults and not self.passes_over_files:
            raise InputError(*faults)
        for fault in faults:
            log.warning("warning: %s", fault)
        return everything.model_copy(update={"check_shares": True})

    def shares_at(self, stem: Path, files: Iterable[str | Path], weights: str) -> dict[Share, Path]:
        """Return the stem of every share of the work ``stem`` that is finished, all of one kind.

        Args:
            stem: path of the output files of the whole work, without suffix.
            files: files that the results are made from.
            weights: SHA-256 of the weight file.

        Raises:
            InputError: no share is finished, or they are of other numbers, weights, settings or inputs.
        """
        matches = [(path, TAG.search(path.stem)) for path in stem.parent.glob("*.cfg")]
        shares = {
            Share(int(match[1]), int(match[2])): path
            for path, match in matches
            if match and path.stem[: match.start()] == stem.name
        }
        counts = sorted({share.count for share in shares})
        if not shares:
            raise InputError(f"{stem}_share*: no share is finished")
        if len(counts) > 1:
            listed = " and ".join(map(str, counts))
            raise InputError(
                f"{stem}_share*: shares of {listed}, expected of one number: remove those of the other"
            )
        fingerprints = sorted(provenance_of(files).values())
        faults = [
            fault for path in shares.values() for fault in self._differences(path, fingerprints, weights)
        ]
        if faults:
            raise InputError(*faults)
        return {
            share: shares[share].with_suffix("") for share in sorted(shares, key=lambda share: share.number)
        }

    def _differences(self, cfg: Path, fingerprints: list[str], weights: str) -> Iterator[str]:
        """Yield a line for everything in which the share of a cfg is of another kind than these settings."""
        if f", weights {weights}" not in cfg.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]:
            yield f"{cfg}: made with other weights"
        if sorted(read_provenance(cfg).values()) != fingerprints:
            yield f"{cfg}: made from other input files"
        theirs = {entry.key: entry.value for entry in read_cfg(cfg)[0]}
        for key, value in self._shared(theirs).items():
            mine = getattr(self, key)
            if value != mine:
                yield f"{cfg}: made with {key} = {value!r}, now {mine!r}"

    def _shared(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """Return the values of the keys in which shares must agree; what a cfg does not hold has its default."""
        fields = type(self).model_fields
        return {
            key: theirs.get(key, field.default)
            for key, field in fields.items()
            if key not in self.free_in_shares
        }

    def check_all(self, stem: Path, finished: Iterable[Share], missing: Mapping[int, Sequence[str]]) -> None:
        """Raise InputError, with a line for each share that is missing, as a whole or some of its results.

        Args:
            stem: as of ``shares_at``.
            finished: shares that are finished.
            missing: number of every share -> names of its results that do not exist.
        """
        count, done = len(missing), {share.number for share in finished}
        faults = []
        for number, names in missing.items():
            share = Share(number, count)
            listed = ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "")
            words = f", {len(names)} of its results: {listed}" if names else ""
            if names or number not in done:
                faults.append(f"{stem}{share.tag}: share {share} is missing{words}")
        if faults:
            raise InputError(*faults)

    def certificate(self, count: int, weights: str, results: str) -> str:
        """Log and return the line that certifies a merged result.

        Args:
            count: number of shares.
            weights: SHA-256 of the weight file.
            results: what was merged, such as "298 events".
        """
        line = (
            f"complete: {results}, each once, from {count} shares of the same weights ({weights[:12]}), settings "
            "and inputs"
        )
        log.info(line)
        return line
