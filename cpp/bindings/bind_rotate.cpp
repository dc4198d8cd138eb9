#include "dmcnn/rotate.hpp"
#include "images.hpp"

namespace {

SparseArrays rotate(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index, const Array<float>& value,
                    const Size& shape, const Array<double>& degrees, int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    expect(degrees, "degrees", {static_cast<py::ssize_t>(images.n)});
    const double* angles = degrees.data();
    dmcnn::Sparse sparse;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        sparse = dmcnn::rotate(images, angles, threads);
    }
    return as_arrays(sparse);
}

}  // namespace

void bind_rotate(py::module_& m) {
    m.def("rotate", &rotate, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("degrees").noconvert(),
          py::arg("n_threads").noconvert() = 1,
          R"(Rotate sparse images about their centre, counter-clockwise with rows upwards.

The charge of a pixel goes to the four pixels around its rotated centre in bilinear shares, so that charge and centre of
charge stay and lines have no holes. Multiples of 90 degrees move whole pixels where the centre allows it.

Args:
    offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
    index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W), strictly increasing in an image.
    value: (nnz,) float32 [ADC], finite.
    shape: (C, H, W).
    degrees: (n,) float64. Angle of each image.
    n_threads: at most so many work on different images; the result does not depend on it.

Returns:
    offsets (n+1,) int64; index int32; value float32, no zeros, sums made in double; bad (n,) int64, zeros;
    cut (n,) int64, pixels of the image whose rotated centre is outside it.

Raises:
    ValueError: the text names the image, what was found and what was expected.)");
}
