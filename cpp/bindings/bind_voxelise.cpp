#include "dmcnn/voxelise.hpp"

#include <limits>

#include "edges.hpp"
#include "images.hpp"

namespace {

SparseArrays voxelise(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index, const Array<float>& value,
                      const Size& shape, std::int64_t energy, std::int64_t time, const Real& edges,
                      std::int64_t n_frames, double energy_above, double after, double until, bool cumulative,
                      bool right_closed, int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    const dmcnn::Frames frames{axis(edges, "edges", right_closed), n_frames, energy_above, after, until, cumulative};
    dmcnn::Sparse sparse;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        sparse = dmcnn::voxelise(images, energy, time, frames, threads);
    }
    return as_arrays(sparse);
}

SparseArrays voxelise_cells(const Array<std::int64_t>& offsets, const Array<std::int32_t>& cell,
                            const Array<float>& energy, const Array<float>& time,
                            std::pair<std::int64_t, std::int64_t> shape, const Real& edges, std::int64_t n_frames,
                            double energy_above, double after, double until, bool cumulative, bool right_closed,
                            int threads) {
    const std::int64_t n = count_entries(offsets);
    expect(cell, "cell", {-1});
    expect(energy, "energy", {cell.size()});
    expect(time, "time", {cell.size()});
    const dmcnn::CellList cells{offsets.data(), n,           cell.data(), energy.data(),
                                time.data(),    cell.size(), shape.first, shape.second};
    const dmcnn::Frames frames{axis(edges, "edges", right_closed), n_frames, energy_above, after, until, cumulative};
    dmcnn::Sparse sparse;
    {
        // As above.
        const py::gil_scoped_release release;
        sparse = dmcnn::voxelise_cells(cells, frames, threads);
    }
    return as_arrays(sparse);
}

void voxelise_dense(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index, const Array<float>& value,
                    const Size& shape, std::int64_t energy, std::int64_t time, const Real& edges, Array<float>& out,
                    double energy_above, double after, double until, bool cumulative, bool right_closed,
                    int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    expect(out, "out", {images.n, -1, images.shape.height, images.shape.width});
    const dmcnn::Frames frames{
        axis(edges, "edges", right_closed), out.shape(1), energy_above, after, until, cumulative};
    float* dense = out.mutable_data();
    // As above.
    const py::gil_scoped_release release;
    dmcnn::voxelise_dense(images, energy, time, frames, dense, threads);
}

}  // namespace

void bind_voxelise(py::module_& m) {
    constexpr double far = std::numeric_limits<double>::infinity();
    m.def("voxelise", &voxelise, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("energy").noconvert(),
          py::arg("time").noconvert(), py::arg("edges").noconvert(), py::arg("n_frames").noconvert(),
          py::arg("energy_above") = 0.0, py::arg("after") = -far, py::arg("until") = far,
          py::arg("cumulative").noconvert() = false, py::arg("right_closed").noconvert() = true,
          py::arg("n_threads").noconvert() = 1,
          R"(Space-time frames of sparse images that hold a channel of energies and one of times.

Args:
    offsets, index, value, shape, n_threads: as ``crop``.
    energy, time: numbers of the two channels; a pixel without a stored time has time 0.
    edges: (b+1,) float64, strictly increasing. Bin k of the time is frame k; float32 times are compared as float64.
    n_frames: of the result, >= b; those beyond the last bin stay empty.
    energy_above: only pixels with more energy, compared as float64.
    after, until: only times between, closed as a bin is.
    cumulative: a pixel is in the frame of its bin and all later bins' (in all, if its time is before the first
        edge), else in the frame of its bin alone.
    right_closed: bins are lo < t <= hi, else lo <= t < hi.

Returns:
    offsets (n+1,) int64; index int32, row-major in (n_frames, H, W); value float32, the energies; bad (n,) int64,
    zeros; cut (n,) int64, pixels above the threshold that are in no frame.

Raises:
    ValueError: the text names the image or the edge, what was found and what was expected.)");
    m.def("voxelise_cells", &voxelise_cells, py::arg("offsets").noconvert(), py::arg("cell").noconvert(),
          py::arg("energy").noconvert(), py::arg("time").noconvert(), py::arg("shape").noconvert(),
          py::arg("edges").noconvert(), py::arg("n_frames").noconvert(), py::arg("energy_above") = 0.0,
          py::arg("after") = -far, py::arg("until") = far, py::arg("cumulative").noconvert() = false,
          py::arg("right_closed").noconvert() = true, py::arg("n_threads").noconvert() = 1,
          R"(The frames of ``voxelise`` of cells that come with their energies and times, as ``select`` gives them.

Args:
    offsets: (n+1,) int64. Image i owns ``cell[offsets[i]:offsets[i+1]]``.
    cell: (m,) int32. Numbers of cells, row-major in ``shape``, strictly increasing in an image.
    energy, time: (m,) float32, finite. A cell without energy is in no frame.
    shape: (H, W).
    edges, n_frames, energy_above, after, until, cumulative, right_closed, n_threads: as ``voxelise``.

Returns:
    offsets, index, value, bad, cut, as ``voxelise``.

Raises:
    ValueError: as ``voxelise``.)");
    m.def("voxelise_dense", &voxelise_dense, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("energy").noconvert(),
          py::arg("time").noconvert(), py::arg("edges").noconvert(), py::arg("out").noconvert(),
          py::arg("energy_above") = 0.0, py::arg("after") = -far, py::arg("until") = far,
          py::arg("cumulative").noconvert() = false, py::arg("right_closed").noconvert() = true,
          py::arg("n_threads").noconvert() = 1,
          R"(The frames of ``voxelise``, dense.

Args:
    out: (n, n_frames, H, W) float32, writeable, C-contiguous, apart from ``value``; overwritten.
    offsets, index, value, shape, energy, time, edges, energy_above, after, until, cumulative, right_closed, n_threads:
        as ``voxelise``.

Raises:
    ValueError: as ``voxelise``; ``out`` is then unspecified.)");
}
