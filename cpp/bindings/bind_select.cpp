#include <limits>

#include "bind.hpp"
#include "dmcnn/select.hpp"

namespace {

using CellArrays =
    std::tuple<Array<std::int64_t>, Array<std::int32_t>, Array<float>, Array<float>, Array<std::int64_t>>;

/// Not called select, as a function of POSIX is.
CellArrays select_cells(const Array<float>& pairs, std::pair<std::int64_t, std::int64_t> corner,
                        std::pair<std::int64_t, std::int64_t> size, double energy_min, double after, double before,
                        int threads) {
    expect(pairs, "pairs", {-1, -1, -1, 2});
    const dmcnn::Window window{pairs.shape(1), pairs.shape(2), corner.first, corner.second, size.first, size.second};
    dmcnn::Cells found;
    {
        // The argument holds a reference to the array, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        found = dmcnn::select(pairs.data(), pairs.shape(0), window, {energy_min, after, before}, threads);
    }
    return {as_array(found.offsets), as_array(found.cell), as_array(found.energy), as_array(found.time),
            as_array(found.bad)};
}

}  // namespace

void bind_select(py::module_& m) {
    constexpr double far = std::numeric_limits<double>::infinity();
    m.def("select", &select_cells, py::arg("pairs").noconvert(), py::arg("corner").noconvert(),
          py::arg("size").noconvert(), py::arg("energy_min") = -far, py::arg("after") = -far, py::arg("before") = far,
          py::arg("n_threads").noconvert() = 1,
          R"(The cells with energy of images of interleaved energies and times.

Args:
    pairs: (n, H, W, 2) float32. Energy and time of every cell; one without energy is empty whatever its time.
    corner: (row, column) of the first cell of the window that is kept.
    size: (rows, columns) of that window.
    energy_min: only cells with more energy, compared as float64.
    after, before: only times strictly between, compared as float64.
    n_threads: at most so many work on different images; the result does not depend on their number.

Returns:
    offsets: (n+1,) int64. Image i owns ``cell[offsets[i]:offsets[i+1]]``.
    cell: (m,) int32. Number of the cell in the window, row-major, increasing in an image.
    energy, time: (m,) float32.
    bad: (n,) int64. Cells of the whole image whose energy or time is NaN or infinite; they are left out.

Raises:
    ValueError: a window that is not inside the images, or a limit that is NaN.)");
}
