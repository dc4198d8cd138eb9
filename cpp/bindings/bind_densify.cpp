#include <optional>

#include "bind.hpp"
#include "dmcnn/densify.hpp"

namespace {

void densify(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index, const Array<float>& value,
             Array<float>& out, const std::optional<Array<std::uint8_t>>& orientation) {
    expect(out, "out", {-1, -1, -1, -1});
    const py::ssize_t n = out.shape(0);
    expect(offsets, "offsets", {n + 1});
    expect(index, "index", {-1});
    expect(value, "value", {index.size()});
    if (orientation) expect(*orientation, "orientation", {n});
    const dmcnn::Shape shape{out.shape(1), out.shape(2), out.shape(3)};
    const std::uint8_t* turns = orientation ? orientation->data() : nullptr;
    float* dense = out.mutable_data();
    // The arguments hold references to the arrays, and the kernel touches no Python object.
    const py::gil_scoped_release release;
    dmcnn::densify(offsets.data(), n, index.data(), value.data(), index.size(), turns, shape, dense);
}

}  // namespace

void bind_densify(py::module_& m) {
    m.def("densify", &densify, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("out").noconvert(),
          py::arg("orientation").noconvert() = py::none(),
          R"(Write sparse images into a dense batch, zeros included.

Args:
    offsets: (B+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
    index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W).
    value: (nnz,) float32 [ADC].
    out: (B, C, H, W) float32, writeable, C-contiguous; overwritten.
    orientation: (B,) uint8, a sum of 1 (swap H and W, square images only), 2 (then reverse H: rows, ticks) and
        4 (then reverse W: columns, wires); None leaves the images as they are.

Raises:
    ValueError: the text names the image, what was found and what was expected; ``out`` is then unspecified.)");
}
