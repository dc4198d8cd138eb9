#include "bind.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "Loops over the pixels of sparse detector images. Every function releases the GIL.";
    bind_decode_image2d(m);
    bind_densify(m);
    bind_occlude(m);
    bind_sparsify(m);
}
