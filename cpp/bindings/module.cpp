#include "bind.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "Loops over the pixels of sparse detector images. Every function releases the GIL.";
    bind_changes(m);
    bind_crop(m);
    bind_decode_clusters(m);
    bind_decode_image2d(m);
    bind_decode_voxels(m);
    bind_densify(m);
    bind_locate(m);
    bind_match_windows(m);
    bind_normalise_rows(m);
    bind_occlude(m);
    bind_predict(m);
    bind_rotate(m);
    bind_rows(m);
    bind_select(m);
    bind_sparsify(m);
    bind_swap_axes(m);
    bind_voxelise(m);
    bind_voxelise_hits(m);
}
