#include <optional>
#include <string>

#include "bind.hpp"
#include "dmcnn/occlude.hpp"

namespace {

using WindowArrays = std::tuple<Array<std::int64_t>, Array<std::int64_t>, Array<std::int64_t>, Array<std::int64_t>,
                                Array<std::int32_t>>;

using BoxArrays = std::tuple<Array<std::int64_t>, Array<std::int64_t>, Array<std::int64_t>, Array<std::int64_t>,
                             Array<std::int64_t>, Array<std::int32_t>>;
using Size = std::tuple<std::int64_t, std::int64_t, std::int64_t>;

dmcnn::Windows list(const Array<std::int32_t>& index, const Size& shape, const dmcnn::Scan& scan, int threads) {
    expect(index, "index", {-1});
    const auto [channels, height, width] = shape;
    // The arguments hold references to the arrays, and the kernel touches no Python object.
    const py::gil_scoped_release release;
    return dmcnn::list_windows(index.data(), index.size(), {channels, height, width}, scan, threads);
}

WindowArrays list_windows(const Array<std::int32_t>& index, const Size& shape, std::int64_t half, std::int64_t stride,
                          bool skip, int threads) {
    const dmcnn::Windows found = list(index, shape, {half, stride, skip}, threads);
    return {as_array(found.rows), as_array(found.cols), as_array(found.number), as_array(found.offsets),
            as_array(found.covered)};
}

BoxArrays list_boxes(const Array<std::int32_t>& index, const Size& shape, std::int64_t half, std::int64_t depth,
                     std::int64_t stride, bool skip, int threads) {
    if (depth < 0) throw py::value_error("depth " + std::to_string(depth) + ", expected >= 0");
    const dmcnn::Windows found = list(index, shape, {half, stride, skip, depth}, threads);
    return {as_array(found.frames), as_array(found.rows),    as_array(found.cols),
            as_array(found.number), as_array(found.offsets), as_array(found.covered)};
}

void occlude(const Array<std::int32_t>& index, const Array<float>& fill, const Array<std::int64_t>& offsets,
             const Array<std::int32_t>& covered, const Array<std::int64_t>& which, Array<float>& out,
             const std::optional<Array<std::int64_t>>& before, const std::optional<Array<float>>& value,
             int threads) {
    expect(index, "index", {-1});
    expect(fill, "fill", {index.size()});
    expect(offsets, "offsets", {-1});
    if (offsets.size() == 0) throw py::value_error("offsets is empty, expected at least a 0");
    expect(covered, "covered", {-1});
    expect(which, "which", {-1});
    expect(out, "out", {which.size(), -1, -1, -1});
    if (before.has_value() != value.has_value())
        throw py::value_error("before and value, expected both or neither of them");
    if (before) expect(*before, "before", {which.size()});
    if (value) expect(*value, "value", {index.size()});
    const dmcnn::Fill pixels{index.data(),       fill.data(),    index.size(),   offsets.data(),
                             offsets.size() - 1, covered.data(), covered.size(), value ? value->data() : nullptr};
    const std::int64_t* restored = before ? before->data() : nullptr;
    const std::int64_t size = out.shape(1) * out.shape(2) * out.shape(3);
    float* images = out.mutable_data();
    // The arguments hold references to the arrays, and the kernel touches no Python object.
    const py::gil_scoped_release release;
    dmcnn::occlude(pixels, which.data(), restored, which.size(), size, threads, images);
}

}  // namespace

void bind_occlude(py::module_& m) {
    m.def("list_windows", &list_windows, py::arg("index").noconvert(), py::arg("shape").noconvert(),
          py::arg("half").noconvert(), py::arg("stride").noconvert() = 1, py::arg("skip").noconvert() = false,
          py::arg("n_threads").noconvert() = 1,
          R"(The windows of an occlusion scan that cover charge; those that cover the same pixels are one.

Args:
    index: (nnz,) int32. Flat numbers of an event's active pixels, row-major in ``shape``, strictly increasing.
    shape: (C, H, W).
    half: [pixels] a window spans ``2 * half + 1`` pixels in all channels, clipped at the borders; >= 0.
    stride: 1 puts a window around every pixel that is active in any channel; s > 1 around the middle (rounded
        down) of every s x s cell of the image, counted from pixel (0, 0).
    skip: leave out the windows that cross the border.
    n_threads: at most so many look at different windows; the result does not depend on their number.

Returns:
    rows: (n,) int64. Row (drift tick) of each window's centre; centres come row by row.
    cols: (n,) int64. Column (wire) of each window's centre.
    number: (n,) int64. The window around each centre; u different ones, numbered as they appear.
    offsets: (u+1,) int64. Window w covers ``covered[offsets[w]:offsets[w+1]]``.
    covered: (m,) int32. Places in ``index``, strictly increasing within a window.

Raises:
    ValueError: the text names the pixel, what was found and what was expected.)");
    m.def("list_boxes", &list_boxes, py::arg("index").noconvert(), py::arg("shape").noconvert(),
          py::arg("half").noconvert(), py::arg("depth").noconvert(), py::arg("stride").noconvert() = 1,
          py::arg("skip").noconvert() = false, py::arg("n_threads").noconvert() = 1,
          R"(The windows of ``list_windows`` as boxes of frames, rows and columns.

Args:
    index, shape, half, skip, n_threads: as ``list_windows``; channels are frames.
    depth: [frames] a box spans ``2 * depth + 1`` frames, clipped at the first and the last; >= 0.
    stride: 1 puts a box around every active voxel; s > 1 around the middle of every s x s cell of every frame.

Returns:
    frames: (n,) int64. Frame of each box's centre; centres come frame by frame, then row by row.
    rows, cols, number, offsets, covered: as ``list_windows``.

Raises:
    ValueError: as ``list_windows``.)");
    m.def("occlude", &occlude, py::arg("index").noconvert(), py::arg("fill").noconvert(),
          py::arg("offsets").noconvert(), py::arg("covered").noconvert(), py::arg("which").noconvert(),
          py::arg("out").noconvert(), py::arg("before").noconvert() = py::none(),
          py::arg("value").noconvert() = py::none(), py::arg("n_threads").noconvert() = 1,
          R"(Write the pixels that a window covers, and only those, into dense images that hold the event already.

Args:
    index: (nnz,) int32. Flat numbers of the event's active pixels, row-major in (C, H, W).
    fill: (nnz,) float32 [ADC]. What each of these pixels becomes where a window covers it.
    offsets: (u+1,) int64, of ``list_windows``.
    covered: (m,) int32, of ``list_windows``.
    which: (B,) int64. Number of the window of each image.
    out: (B, C, H, W) float32, writeable, C-contiguous; changed in place.
    before: (B,) int64. Number of the window that was written into each image last, whose pixels are restored first;
        -1 for none. By default none was.
    value: (nnz,) float32 [ADC]. The event's pixels, to be given with ``before``.
    n_threads: at most so many work on different images; the result does not depend on their number.

Raises:
    ValueError: the text names the image, what was found and what was expected; ``out`` is then unspecified.)");
}
