#include "bind.hpp"
#include "dmcnn/sparsify.hpp"

namespace {

SparseArrays sparsify(const Array<float>& pixels, const Array<std::int64_t>& starts, const Array<std::int64_t>& rows,
                      const Array<std::int64_t>& cols, std::pair<std::int64_t, std::int64_t> shape, double adc_lo,
                      double adc_hi, bool row_major, int threads) {
    expect(pixels, "pixels", {-1});
    expect(starts, "starts", {-1, -1});
    const py::ssize_t n = starts.shape(0), channels = starts.shape(1);
    expect(rows, "rows", {n, channels});
    expect(cols, "cols", {n, channels});
    const dmcnn::Shape full{channels, shape.first, shape.second};
    const dmcnn::Bounds bounds{static_cast<float>(adc_lo), static_cast<float>(adc_hi)};
    dmcnn::Sparse sparse;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        sparse = dmcnn::sparsify(pixels.data(), pixels.size(), starts.data(), rows.data(), cols.data(), n, full,
                                 bounds, row_major, threads);
    }
    return as_arrays(sparse);
}

}  // namespace

void bind_sparsify(py::module_& m) {
    m.def("sparsify", &sparsify, py::arg("pixels").noconvert(), py::arg("starts").noconvert(),
          py::arg("rows").noconvert(), py::arg("cols").noconvert(), py::arg("shape").noconvert(), py::arg("adc_lo"),
          py::arg("adc_hi"), py::arg("row_major").noconvert(), py::arg("n_threads").noconvert() = 1,
          R"(Sparse images from float32 pixels in memory.

Args:
    pixels: (m,) float32 [ADC].
    starts: (n, C) int64. Where channel c of image e begins in ``pixels``; -1 leaves the channel empty.
    rows: (n, C) int64. Rows (drift ticks) of that image.
    cols: (n, C) int64. Columns (wires) of that image.
    shape: (H, W) to centre every image into, by (H - rows) / 2 and (W - cols) / 2 truncated toward zero.
    adc_lo: [ADC] pixels below are dropped; -inf keeps all.
    adc_hi: [ADC] pixels above become adc_hi; inf keeps all.
    row_major: images are stored row by row (C order), else column by column.
    n_threads: at most so many work on different images; the result does not depend on their number.

Returns:
    offsets, index, value, bad, cut, as ``decode_image2d``.

Raises:
    ValueError: an image outside ``pixels``; the text names the image, what was found and what was expected.)");
}
