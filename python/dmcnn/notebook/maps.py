"""Maps of one event: attribution and occlusion in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError, nearest

if TYPE_CHECKING:
    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.maps import AttributionMap, OcclusionMap
    from dmcnn.inference.predictor import Predictor


def explain(
    predictor: Predictor,
    event: SparseImages,
    method: Any,
    target: str | int,
    output: str,
    options: Mapping[str, Any],
) -> AttributionMap:
    """Make the map of one event: see ``Predictor.explain``."""
    from dmcnn.attribution import Method, Target, build
    from dmcnn.attribution.explain import explain as maps
    from dmcnn.datasets.labels import class_number
    from dmcnn.inference.maps import AttributionMap

    predictor.task.need_classes("attribution")
    card = predictor.card
    scores = predictor.task.event_scores(next(predictor.logits([event])), ()).named
    wanted = max(scores, key=lambda name: scores[name]) if target == "predicted" else target
    number = class_number(wanted, tuple(card.classes), "target")
    if isinstance(method, Method):
        made = replace(method, **options)
    else:
        common = {"internal_batch": predictor.batch_size, "precision": predictor.precision}
        made, *others = build(method, **{**common, **options})
        if others:
            raise InputError(f"{method!r} is {len(others) + 1} methods, expected one")
    how = Target(number, output, card.activation, card.temperature)
    found = maps(predictor.network, event.dense()[0], how, [made], scaling=card.scaling)
    return AttributionMap(
        values=found.maps[made.name],
        images=event,
        method=made.name,
        title=made.title,
        signed=made.signed,
        target=card.classes[number],
        output=output,
        scores=scores,
        box=found.boxes.get(made.name),
    )


def occlude(predictor: Predictor, event: SparseImages, k: int, options: Mapping[str, Any]) -> OcclusionMap:
    """Make the maps of one event: see ``Predictor.occlude``."""

    from dmcnn._common.journal import Rows
    from dmcnn.inference.maps import OcclusionMap
    from dmcnn.occlusion.choice import choose, network
    from dmcnn.occlusion.result import Scan, scan_event

    task = predictor.task
    known = {entry.name for entry in fields(Scan)} - {"k"} | {"engine"}
    for name in options:
        if name not in known:
            raise InputError(
                f"occlude takes no {name!r}{nearest(name, known)}; known: {', '.join(sorted(known))}"
            )
    word = str(options.get("engine", predictor.asked_engine))
    scan = Scan(k, **{name: value for name, value in options.items() if name != "engine"})
    windows = scan.windows(event)
    how = predictor.batch_size, predictor.precision, predictor.card.scaling
    net = predictor.sparse_net
    name = choose(word, net, event, scan, windows, *how).engine
    engine = scan.engine(name, *how)
    base = next(predictor.logits([event]))[0]
    result = scan_event(network(net, name), event, windows, engine, base, Rows(engine.row_width(len(base))))
    values, untouched = result.maps(task.values)
    first = task.names[0 if predictor.card.targets else int(untouched.argmax())]
    return OcclusionMap(
        values=values,
        base=untouched,
        classes=tuple(task.names),
        images=event,
        signal=predictor.card.signal or first,
        units=tuple(map(task.unit, task.names)),
    )
