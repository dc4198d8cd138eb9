#include <functional>

#include "bind.hpp"
#include "dmcnn/occlude.hpp"

namespace {

bool overlap(const float* a, py::ssize_t a_size, const float* b, py::ssize_t b_size) {
    const std::less<const float*> before;  // a plain < is undefined for unrelated arrays
    return before(a, b + b_size) && before(b, a + a_size);
}

void occlude(const Array<float>& image, const Array<std::int64_t>& rows, const Array<std::int64_t>& cols,
             std::int64_t half, Array<float>& out) {
    expect(image, "image", {-1, -1, -1});
    expect(rows, "rows", {-1});
    const py::ssize_t n = rows.size();
    expect(cols, "cols", {n});
    expect(out, "out", {n, image.shape(0), image.shape(1), image.shape(2)});
    const dmcnn::Shape shape{image.shape(0), image.shape(1), image.shape(2)};
    float* copies = out.mutable_data();
    if (overlap(image.data(), image.size(), copies, out.size()))
        throw py::value_error("image and out share memory, expected separate arrays");
    // The arguments hold references to the arrays, and the kernel touches no Python object.
    const py::gil_scoped_release release;
    dmcnn::occlude(image.data(), shape, rows.data(), cols.data(), n, half, copies);
}

}  // namespace

void bind_occlude(py::module_& m) {
    m.def("occlude", &occlude, py::arg("image").noconvert(), py::arg("rows").noconvert(),
          py::arg("cols").noconvert(), py::arg("half").noconvert(), py::arg("out").noconvert(),
          R"(Copies of one image, each with one square window set to zero in all channels.

Args:
    image: (C, H, W) float32 [ADC].
    rows: (n,) int64. Row (drift tick) of each window's centre, inside the image.
    cols: (n,) int64. Column (wire) of each window's centre, inside the image.
    half: the window spans ``2 * half + 1`` pixels, clipped at the borders; >= 0.
    out: (n, C, H, W) float32, writeable, C-contiguous, apart from ``image``; overwritten.

Raises:
    ValueError: the text names the window, what was found and what was expected; ``out`` is then unspecified.)");
}
