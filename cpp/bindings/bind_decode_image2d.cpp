#include "bind.hpp"
#include "dmcnn/decode_image2d.hpp"

namespace {

SparseArrays decode_image2d(const Array<std::uint8_t>& data, const Array<std::int64_t>& entries,
                            const Array<std::int64_t>& position, const Array<std::int64_t>& rows,
                            const Array<std::int64_t>& cols, std::pair<std::int64_t, std::int64_t> shape,
                            double adc_lo, double adc_hi, bool flip_rows) {
    expect(data, "data", {-1});
    expect(position, "position", {-1, -1});
    const py::ssize_t n = position.shape(0), channels = position.shape(1);
    expect(entries, "entries", {n + 1});
    expect(rows, "rows", {n, channels});
    expect(cols, "cols", {n, channels});
    const dmcnn::Shape full{channels, shape.first, shape.second};
    const dmcnn::Bounds bounds{static_cast<float>(adc_lo), static_cast<float>(adc_hi)};
    dmcnn::Sparse sparse;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        sparse = dmcnn::decode_image2d(data.data(), data.size(), entries.data(), n, position.data(), rows.data(),
                                       cols.data(), full, bounds, flip_rows);
    }
    return as_arrays(sparse);
}

}  // namespace

void bind_decode_image2d(py::module_& m) {
    m.def("decode_image2d", &decode_image2d, py::arg("data").noconvert(), py::arg("entries").noconvert(),
          py::arg("position").noconvert(), py::arg("rows").noconvert(), py::arg("cols").noconvert(),
          py::arg("shape").noconvert(), py::arg("adc_lo"), py::arg("adc_hi"), py::arg("flip_rows").noconvert(),
          R"(Sparse images from the decompressed bytes of a LArCV ``_image_v._img`` branch.

Args:
    data: (nbytes,) uint8, several entries.
    entries: (n+1,) int64. Entry e is ``data[entries[e]:entries[e+1]]``.
    position: (n, C) int64. Which image of the entry becomes channel c; -1 leaves the channel empty.
    rows: (n, C) int64. Rows (drift ticks) of that image, from its meta.
    cols: (n, C) int64. Columns (wires) of that image, from its meta.
    shape: (H, W) to centre every image into, by (H - rows) / 2 and (W - cols) / 2 truncated toward zero.
    adc_lo: [ADC] pixels below are dropped; -inf keeps all.
    adc_hi: [ADC] pixels above become adc_hi; inf keeps all.
    flip_rows: the file stores the last row first (LArCV1).

Returns:
    offsets (n+1,) int64; index (nnz,) int32, row-major in (C, H, W); value (nnz,) float32 [ADC], no zeros;
    bad (n,) int64, pixels dropped as NaN or infinite; cut (n,) int64, active pixels outside (H, W).

Raises:
    ValueError: malformed bytes; the text names the entry, what was found and what was expected.)");
}
