#include "dmcnn/voxelise_hits.hpp"

#include "edges.hpp"

namespace {

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
        // The arguments hold references to the arrays, and the kernel touches no Python object.
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
          py::arg("right_closed").noconvert() = false, py::arg("n_threads").noconvert() = 1,
          R"(Lists of hits as sparse images of (bins of t, bins of y, bins of x), the charges in a voxel summed.

They are added in the order of the hits, in double, and rounded once to float32.

Args:
    offsets: (n+1,) int64. Event i owns the hits ``offsets[i]:offsets[i+1]``.
    x, y, t, charge: (m,) float64, or all float32: position, time, charge or energy, in any unit.
    x_edges, y_edges, t_edges: float64, strictly increasing, in the same units.
    right_closed: bins are lo < x <= hi, else lo <= x < hi, on all axes.
    n_threads: at most so many work on different events; the result does not depend on it.

Returns:
    offsets, index, value as ``crop``; bad (n,) int64, hits with a NaN or infinite number; cut (n,) int64, hits
    outside the edges.

Raises:
    ValueError: the text names the event or the edge, what was found and what was expected.)");
}

}  // namespace

void bind_voxelise_hits(py::module_& m) {
    define_hits<float>(m);
    define_hits<double>(m);
}
