"""ROOT files: trees in folders, and branches that a slimmed file lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.readers.larcv2.root import RootFile

IDS = ("_run", "_subrun", "_event")


def write(path: Path, *trees: str, branches: tuple[str, ...] = IDS) -> RootFile:
    """Write trees of three entries with ids 0, 1, 2."""
    with uproot.recreate(path) as root:
        for tree in trees:
            root.mktree(tree, dict.fromkeys(branches, "u8"))
            root[tree].extend({name: np.arange(3, dtype=np.uint64) for name in branches})
    return RootFile(path)


def test_trees_in_folders_are_found(tmp_path: Path) -> None:
    """art's TFileService gives the trees of every module a folder of their own."""
    file = write(tmp_path / "a.root", "larcv/image2d_wire_tree", "larcv/deep/particle_mc_tree", "larcv/other")
    assert file.products() == {"image2d", "particle"}
    assert file.trees("image2d") == {"wire": "larcv/image2d_wire_tree"}
    assert file.trees("particle") == {"mc": "larcv/deep/particle_mc_tree"}
    assert file.events(file.tree("larcv/image2d_wire_tree"))["event"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"no sparse2d tree, the file holds .*larcv/image2d_wire_tree"):
        file.trees("sparse2d")


def test_producers_of_several_folders_have_their_folders_in_front(tmp_path: Path) -> None:
    file = write(tmp_path / "a.root", "a/image2d_wire_tree", "b/image2d_wire_tree", "b/image2d_hit_tree")
    assert file.trees("image2d") == {
        "a/wire": "a/image2d_wire_tree",
        "b/wire": "b/image2d_wire_tree",
        "hit": "b/image2d_hit_tree",
    }


def test_trees_outside_folders_come_first(tmp_path: Path) -> None:
    file = write(tmp_path / "a.root", "image2d_wire_tree", "backup/image2d_wire_tree")
    assert file.trees("image2d") == {"wire": "image2d_wire_tree"}


def test_a_missing_branch_is_not_called_damage(tmp_path: Path) -> None:
    file = write(tmp_path / "a.root", "image2d_wire_tree", branches=("_run", "_event"))
    tree = file.tree("image2d_wire_tree")
    for read in (lambda: file.events(tree), lambda: file.baskets(tree, "_subrun")):
        with pytest.raises(InputError, match="tree image2d_wire_tree has no branch _subrun") as error:
            read()
        assert "damaged" not in str(error.value)


def test_files_of_root_itself(shared_data: Path) -> None:
    """Written by ROOT 6: the same tree in a folder, and with ``SetBranchStatus("*_subrun", 0)``."""
    from dmcnn.readers import open_images

    cases = shared_data.parent / "cases"
    if not cases.is_dir():
        pytest.skip(f"no {cases}")
    in_folder = open_images(cases / "tree_in_subfolder" / "subdir.root")
    assert in_folder.producer == "wire"
    assert in_folder.read().n_pixels.sum() > 0
    with pytest.raises(InputError, match="no branch _subrun"):
        open_images(cases / "branch_switched_off" / "status_off.root")
