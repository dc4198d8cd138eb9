"""dmcnn: train, run and explain image CNNs on neutrino and collider detector data.

    net = dmcnn.load("x.ckpt")                     # a network with its own preprocessing
    data = dmcnn.open("*.root", plane=2)           # events; data[3].plot()
    net(data)                                      # their scores, for pandas and pyarrow
    net.explain(data[3], "grad_cam").plot()        # what the network looks at
    fast = dmcnn.sparse(my_net)                    # my network, at the price of the charge: train it like my_net
    dmcnn.save(my_net, "mine.ckpt", data=data)     # a network from a loop of one's own

Commands are modules of the same name: ``python -m dmcnn.train``, or ``dmcnn train``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmcnn._common.errors import InputError as InputError
    from dmcnn.engines.sparse import sparse as sparse
    from dmcnn.images.sparse import SparseImages as SparseImages
    from dmcnn.notebook.opening import load as load
    from dmcnn.notebook.opening import open as open
    from dmcnn.notebook.opening import save as save

__version__ = "0.1.0"

__all__ = ["InputError", "SparseImages", "load", "save", "sparse"]
"""``open`` is public too, but ``from dmcnn import *`` must not replace Python's."""

_PLACES = {
    "InputError": "dmcnn._common.errors",
    "SparseImages": "dmcnn.images.sparse",
    "load": "dmcnn.notebook.opening",
    "open": "dmcnn.notebook.opening",
    "save": "dmcnn.notebook.opening",
    "sparse": "dmcnn.engines.sparse",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'dmcnn' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*_PLACES, "__version__"])
