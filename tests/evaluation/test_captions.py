"""Captions of figures and tables by the ending of their file names."""

from __future__ import annotations

import pytest

from dmcnn.evaluation.captions import CAPTIONS, caption


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("roc", "ROC curves"),
        ("roc_log", "ROC curves, with a logarithmic background axis"),
        ("confusion_resnet34_gn", "Confusion matrix: resnet34_gn"),
        ("efficiency_log", "Signal efficiency and background rejection against the cut: log"),
        ("profile_x-midplane", "Residuals against x-midplane"),
        ("rocket_science", "rocket science"),
    ],
)
def test_the_longest_known_ending_gives_the_caption(ending: str, expected: str) -> None:
    assert caption(ending) == expected


def test_captions_are_sentences_without_names_of_files() -> None:
    assert all(text[0].isupper() and "_" not in text for text in CAPTIONS.values())
