"""Captions of the figures and tables of an evaluation, by the ending of their file names."""

from __future__ import annotations

CAPTIONS = {
    "scores": "Scores of signal and background",
    "scores_logit": "Logits of the scores, on a logarithmic axis",
    "scores_by_sample": "Scores of every sample, on a logarithmic axis",
    "score_vs_n_pixels": "Score against the number of active pixels",
    "efficiency": "Signal efficiency and background rejection against the cut",
    "roc": "ROC curves",
    "roc_log": "ROC curves, with a logarithmic background axis",
    "roc_by_signal": "ROC curves of every signal sample, with a logarithmic background axis",
    "roc_by_background": "ROC curves against every background sample, with a logarithmic background axis",
    "auc_by_mass": "AUC against the number in the name of the sample",
    "working_point": "Working point on the curves of efficiency",
    "calibration": "Calibration",
    "calibration_classes": "Calibration of every class",
    "confusion": "Confusion matrix",
    "classes": "Events by true and predicted class",
    "stack": "Data and stacked prediction",
    "stack_log": "Data and stacked prediction, on a logarithmic axis",
    "stack_uncertainties": "Fractional uncertainties of the prediction, bin by bin",
    "stack_correlation": "Correlation of the bins of the prediction",
    "stack_variations": "Shifts of the prediction by detector variations",
    "stack_totals": "Totals of the stack",
    "residuals": "Residuals",
    "residuals_log": "Residuals, on a logarithmic axis",
    "pulls": "Pulls",
    "pulls_log": "Pulls, on a logarithmic axis",
    "chi2": "Chi2 of the estimates",
    "correlation": "Correlations of the residuals and of the estimated covariance",
    "comparison": "Comparison of the networks",
    "profile": "Residuals against",
    "front": "Performance against the number of zero weights",
    "weights": "Weights as deployed",
    "zeros": "Zero weights",
    "wrong": "Misclassified events",
    "flips": "Events that two networks decide differently",
    "selection": "Events and their decision at the working point",
    "targets": "Results by target",
}
"""Ending -> caption; names of networks, samples or targets follow an ending."""


def caption(ending: str) -> str:
    """Return the caption of a figure or table, with what follows the longest known ending."""
    known = [one for one in CAPTIONS if f"{ending}_".startswith(f"{one}_")]
    if not known:
        return ending.replace("_", " ")
    longest = max(known, key=len)
    rest = ending.removeprefix(longest).lstrip("_")
    if not rest:
        return CAPTIONS[longest]
    return f"{CAPTIONS[longest]} {rest}" if longest == "profile" else f"{CAPTIONS[longest]}: {rest}"
