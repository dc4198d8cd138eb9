"""Text of a model card: Markdown, and the rows of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(card: Mapping[str, Any]) -> str:
    """Return a model card as Markdown."""
    model, training = card["model"], card["training"]
    start = training.get("start")
    facts = {
        "Network": f"{model['name']}, {model['parameters']:,} parameters ({model['trainable']:,} trainable)",
        "Arguments": _pairs(model["arguments"]),
        "Outputs": f"{', '.join(model['outputs'])} ({model['task']}, activation {model['activation']})",
        "Signal": model["signal"],
        "Loss": training["loss"],
        "Started from": f"{start['file']} (SHA-256 {start['sha256']})" if start else "",
        "Steps": f"{training['steps']}, of which {training['steps_per_epoch']} make an epoch",
        "Weights": f"those after step {training['chosen_step']}" if "chosen_step" in training else "",
        "Weight file": " ".join(card["weights"].values()) if "weights" in card else "",
        "Seed": training["seed"],
        "Images": f"{_pairs(card['reading'])}; scaling {model['scaling']}",
    }
    title = " ".join(filter(None, ["Model card", card["name"]]))
    parts = [
        f"# {title}",
        "\n".join(f"**Remark:** {remark}\n" for remark in card["remarks"]).strip(),
        _table(("", ""), [(key, str(value)) for key, value in facts.items() if value]),
        "## Samples",
        _table(("sample", "role", "events", "content"), sample_rows(card)),
        "## Result on the test events",
        _table(("quantity", "value", "standard error", "95 % interval"), result_rows(card))
        if card["metrics"]
        else "The training has not ended.",
        "## Input files",
        _table(("file", "XXH3-128"), [(each["file"], f"`{each['fingerprint']}`") for each in card["files"]]),
        "## Environment",
        _table(("", ""), list(card["environment"].items())),
        "## Settings",
        "```text\n" + "\n".join(f"{key} = {value}" for key, value in card["settings"].items()) + "\n```",
    ]
    return "\n\n".join(filter(None, parts))


def sample_rows(card: Mapping[str, Any]) -> list[tuple[str, str, int, str]]:
    """Return name, role, number of events and content of every sample of a model card."""
    samples = card["samples"]
    return [
        (name, f"its events {samples[name]['role']}", samples[name]["events"], samples[name]["content"])
        for name in ("training", "validation", "test")
        if name in samples
    ]


def result_rows(card: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return name, value, standard error and interval of every metric of a model card, and of its baseline."""
    metrics = dict(card["metrics"])
    if baseline := card.get("baseline"):
        area = {"value": baseline["auc"], "low": baseline["auc_low"], "high": baseline["auc_high"]}
        metrics[f"auc without a network ({baseline['model']} on sums of charge)"] = area
    return [
        (name, _number(about["value"]), _number(about.get("error"), 2), _interval(about))
        for name, about in metrics.items()
        if about["value"] is not None
    ]


def _interval(about: Mapping[str, float | None]) -> str:
    """Return the interval of a metric as text; "" without one."""
    low, high = about.get("low"), about.get("high")
    return "" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"


def _number(value: float | None, digits: int = 5) -> str:
    """Return a number as text; "" for none."""
    return "" if value is None else f"{value:.{digits}g}"


def _pairs(values: Mapping[str, Any]) -> str:
    """Return ``key = value, …`` of all values that are given."""
    return ", ".join(f"{key} = {value}" for key, value in values.items() if value is not None)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
