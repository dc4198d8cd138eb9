#include <string>

#include "dmcnn/crop.hpp"
#include "images.hpp"

namespace {

dmcnn::Merge merge_of(const std::string& name) {
    if (name == "sum") return dmcnn::Merge::sum;
    if (name == "mean") return dmcnn::Merge::mean;
    if (name == "max") return dmcnn::Merge::max;
    throw py::value_error("merge '" + name + "', expected 'sum', 'mean' or 'max'");
}

SparseArrays crop(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index, const Array<float>& value,
                  const Size& shape, const Array<std::int64_t>& source, const Array<std::int64_t>& top,
                  const Array<std::int64_t>& left, std::pair<std::int64_t, std::int64_t> size,
                  std::int64_t rows_per_pixel, const std::string& merge, int threads) {
    const dmcnn::Images images = view(offsets, index, value, shape);
    expect(source, "source", {-1});
    expect(top, "top", {source.size()});
    expect(left, "left", {source.size()});
    const dmcnn::Cuts cuts{source.data(), top.data(),  left.data(),   source.size(),
                           size.first,    size.second, rows_per_pixel};
    const dmcnn::Merge how = merge_of(merge);
    dmcnn::Sparse sparse;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        sparse = dmcnn::crop(images, cuts, how, threads);
    }
    return as_arrays(sparse);
}

}  // namespace

void bind_crop(py::module_& m) {
    m.def("crop", &crop, py::arg("offsets").noconvert(), py::arg("index").noconvert(), py::arg("value").noconvert(),
          py::arg("shape").noconvert(), py::arg("source").noconvert(), py::arg("top").noconvert(),
          py::arg("left").noconvert(), py::arg("size").noconvert(), py::arg("rows_per_pixel").noconvert() = 1,
          py::arg("merge") = "sum", py::arg("n_threads").noconvert() = 1,
          R"(Cut windows out of sparse images.

Args:
    offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
    index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W), strictly increasing in an image.
    value: (nnz,) float32 [ADC], finite.
    shape: (C, H, W).
    source: (m,) int64. The image that each window is cut from.
    top: (m,) int64. First row (drift tick) of each window; it may lie outside the image.
    left: (m,) int64. First column (wire) of each window; it may lie outside the image.
    size: (height, width) of the new images; a window covers ``height * rows_per_pixel`` rows.
    rows_per_pixel: so many rows of the image become one.
    merge: how they do: "sum", "mean" or "max", an absent pixel counting as zero; sums are made in double.
    n_threads: at most so many work on different windows; the result does not depend on it.

Returns:
    offsets (m+1,) int64; index int32, row-major in (C, *size); value float32, no zeros; bad (m,) int64, zeros;
    cut (m,) int64, pixels of the image outside the window.

Raises:
    ValueError: the text names the image or the window, what was found and what was expected.)");
}
