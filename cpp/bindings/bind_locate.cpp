#include "dmcnn/locate.hpp"
#include "images.hpp"

namespace {

using Doubles = Array<double>;
using Places = Array<std::int64_t>;

std::pair<Doubles, Doubles> centroid(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index,
                                     const Array<float>& value, const Size& shape, int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    Doubles rows(images.n), cols(images.n);
    double *row = rows.mutable_data(), *col = cols.mutable_data();
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        dmcnn::centroid(images, row, col, threads);
    }
    return {rows, cols};
}

std::tuple<Places, Places, Doubles> most_charge(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index,
                                                const Array<float>& value, const Size& shape,
                                                std::pair<std::int64_t, std::int64_t> size, int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    Places tops(images.n), lefts(images.n);
    Doubles charges(images.n);
    std::int64_t *top = tops.mutable_data(), *left = lefts.mutable_data();
    double* charge = charges.mutable_data();
    {
        // As above.
        const py::gil_scoped_release release;
        dmcnn::most_charge(images, size.first, size.second, top, left, charge, threads);
    }
    return {tops, lefts, charges};
}

}  // namespace

void bind_locate(py::module_& m) {
    m.def("centroid", &centroid, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("n_threads").noconvert() = 1,
          R"(Mean row and column of sparse images, all channels together, weighted with the charges above zero.

Args:
    offsets, index, value, shape, n_threads: as ``crop``.

Returns:
    rows (n,) float64, cols (n,) float64; the centre ((H - 1) / 2, (W - 1) / 2) of an image without such charge.

Raises:
    ValueError: the text names the image, what was found and what was expected.)");
    m.def("most_charge", &most_charge, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("size").noconvert(),
          py::arg("n_threads").noconvert() = 1,
          R"(The window with the largest sum of charge, all channels together, among all that lie inside the image.

Along an axis on which the window is larger than the image, it is the one with the image at its centre. Sums are
exact: charges are whole multiples of 2^-s, s = 62 - bits(pixels of the image) - frexp(largest |charge|), to which
those below 2^(24 - s) are rounded. Of equal sums the smallest top wins, then the smallest left.

Args:
    offsets, index, value, shape, n_threads: as ``crop``.
    size: (height, width) of the window in pixels of the image.

Returns:
    top (n,) int64, left (n,) int64, charge (n,) float64 in that window.

Raises:
    ValueError: the text names the image, what was found and what was expected.)");
}
