#include "dmcnn/voxelise.hpp"

#include <limits>

#include "images.hpp"

namespace {

using Real = Array<double>;

dmcnn::Edges axis(const Real& edges, const char* name, bool right_closed) {
    expect(edges, name, {-1});
    return {edges.data(), edges.size(), right_closed};
}

SparseArrays voxelise(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index,
                      const Array<float>& value, const Size& shape, std::int64_t energy, std::int64_t time,
                      const Real& edges, std::int64_t n_frames, double energy_above, double after, double until,
                      bool cumulative, bool right_closed, int threads) {
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

void voxelise_dense(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index, const Array<float>& value,
                    const Size& shape, std::int64_t energy, std::int64_t time, const Real& edges, Array<float>& out,
                    double energy_above, double after, double until, bool cumulative, bool right_closed,
                    int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    expect(out, "out", {images.n, -1, images.shape.height, images.shape.width});
    const dmcnn::Frames frames{axis(edges, "edges", right_closed), out.shape(1), energy_above, after, until,
                               cumulative};
    float* dense = out.mutable_data();
    // As above.
    const py::gil_scoped_release release;
    dmcnn::voxelise_dense(images, energy, time, frames, dense, threads);
}

template <class T>
SparseArrays voxelise_hits(const Array<std::int64_t>& offsets, const Array<T>& x, const Array<T>& y,
                           const Array<T>& t, const Array<T>& charge, const Real& x_edges, const Real& y_edges,
                           const Real& t_edges, bool right_closed, int threads) {
    expect(offsets, "offsets", {-1});
    if (offsets.size() == 0) throw py::value_error("offsets is empty, expected at least the 0");
    expect(x, "x", {-1});
    expect(y, "y", {x.size()});
    expect(t, "t", {x.size()});
    expect(charge, "charge", {x.size()});
    const dmcnn::Hits<T> hits{offsets.data(), offsets.size() - 1, x.size(),     x.data(),
                              y.data(),       t.data(),           charge.data()};
    const dmcnn::Edges across = axis(x_edges, "x_edges", right_closed), down = axis(y_edges, "y_edges", right_closed);
    const dmcnn::Edges frames = axis(t_edges, "t_edges", right_closed);
    dmcnn::Sparse sparse;
    {
        // As above.
        const py::gil_scoped_release release;
        sparse = dmcnn::voxelise_hits(hits, frames, down, across, threads);
    }
    return as_arrays(sparse);
}

template <class T>
void define_hits(py::module_& m) {
    m.def("voxelise_hits", &voxelise_hits<T>, py::arg("offsets").noconvert(), py::arg("x").noconvert(),
          py::arg("y").noconvert(), py::arg("t").noconvert(), py::arg("charge").noconvert(),
          py::arg("x_edges").noconvert(), py::arg("y_edges").noconvert(), py::arg("t_edges").noconvert(),
          py::arg("right_closed").noconvert() = false, py::arg("threads").noconvert() = 1,
          R"(Lists of hits as sparse images of (bins of t, bins of y, bins of x), the charges in a voxel summed.

They are added in the order of the hits, in double, and rounded once to float32.

Args:
    offsets: (n+1,) int64. Event i owns the hits ``offsets[i]:offsets[i+1]``.
    x, y, t, charge: (m,) float64, or all float32: position, time, charge or energy, in any unit.
    x_edges, y_edges, t_edges: float64, strictly increasing, in the same units.
    right_closed: bins are lo < x <= hi, else lo <= x < hi, on all axes.
    threads: at most so many work on different events; the result does not depend on it.

Returns:
    offsets, index, value as ``crop``; bad (n,) int64, hits with a NaN or infinite number; cut (n,) int64, hits
    outside the edges.

Raises:
    ValueError: the text names the event or the edge, what was found and what was expected.)");
}

}  // namespace

void bind_voxelise(py::module_& m) {
    constexpr double far = std::numeric_limits<double>::infinity();
    m.def("voxelise", &voxelise, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("energy").noconvert(),
          py::arg("time").noconvert(), py::arg("edges").noconvert(), py::arg("n_frames").noconvert(),
          py::arg("energy_above") = 0.0, py::arg("after") = -far, py::arg("until") = far,
          py::arg("cumulative").noconvert() = false, py::arg("right_closed").noconvert() = true,
          py::arg("threads").noconvert() = 1,
          R"(Space-time frames of sparse images that hold a channel of energies and one of times.

Args:
    offsets, index, value, shape, threads: as ``crop``.
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
    m.def("voxelise_dense", &voxelise_dense, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("energy").noconvert(),
          py::arg("time").noconvert(), py::arg("edges").noconvert(), py::arg("out").noconvert(),
          py::arg("energy_above") = 0.0, py::arg("after") = -far, py::arg("until") = far,
          py::arg("cumulative").noconvert() = false, py::arg("right_closed").noconvert() = true,
          py::arg("threads").noconvert() = 1,
          R"(The frames of ``voxelise``, dense.

Args:
    out: (n, n_frames, H, W) float32, writeable, C-contiguous, apart from ``value``; overwritten.
    offsets, index, value, shape, energy, time, edges, energy_above, after, until, cumulative, right_closed, threads:
        as ``voxelise``.

Raises:
    ValueError: as ``voxelise``; ``out`` is then unspecified.)");
    define_hits<float>(m);
    define_hits<double>(m);
}
