#include "bind.hpp"
#include "dmcnn/match_windows.hpp"

namespace {

using Ints = Array<std::int32_t>;

using Matched = std::tuple<Ints, Array<std::int64_t>, Ints, Ints>;

Matched match_windows(const Ints& ids, const dmcnn::Triple& kernel, const dmcnn::Triple& stride,
                      const dmcnn::Triple& dilation, const dmcnn::Triple& before, const dmcnn::Triple& after,
                      const dmcnn::Triple& beyond, int threads) {
    expect(ids, "ids", {-1, -1, -1, -1});
    const dmcnn::Triple shape{ids.shape(1), ids.shape(2), ids.shape(3)};
    const dmcnn::Stencil stencil{kernel, stride, dilation, before, after, beyond};
    const std::int32_t* data = ids.data();
    const py::ssize_t n = ids.shape(0);
    auto* windows = new dmcnn::DistinctWindows;
    const py::capsule owner(windows, [](void* them) { delete static_cast<dmcnn::DistinctWindows*>(them); });
    {
        // The argument holds a reference to the array, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        *windows = dmcnn::match_windows(data, n, shape, stencil, threads);
    }
    const auto rows = static_cast<py::ssize_t>(windows->count.size());
    const py::ssize_t length = kernel[0] * kernel[1] * kernel[2];
    const auto& out = windows->shape;
    return {Ints({n, py::ssize_t{out[0]}, py::ssize_t{out[1]}, py::ssize_t{out[2]}}, windows->number.data(), owner),
            Array<std::int64_t>({n + 1}, windows->offsets.data(), owner),
            Ints({rows, length}, windows->neighbours.data(), owner), Ints({rows}, windows->count.data(), owner)};
}

constexpr const char* kDoc = R"(Number the distinct windows of feature maps whose places carry numbers.

Two windows of one map share a number if and only if they hold the same numbers at the same places; rows are numbered
map by map, in the order of their first place (depth, height, width).

Args:
    ids: (n, D, H, W) int32, any numbers; D = 1 for images.
    kernel, stride, dilation: of the window along the three axes, at least 1.
    before, after: padding along the three axes; its places have the number -1.
    beyond: places behind that padding, with the number -2: where a rounded-up number of windows looks past it.
    n_threads: at most so many work on different maps; the result does not depend on it.

Returns:
    (n, d, h, w) int32: the row number of every window.
    (n+1,) int64: the first row of every map, and the number of rows.
    (rows, k) int32: the numbers in the window of a row, row-major in the kernel.
    (rows,) int32: how many windows a row stands for.

Raises:
    ValueError: the text names the axis, what was given and what was expected.)";

}  // namespace

void bind_match_windows(py::module_& m) {
    m.def("match_windows", &match_windows, py::arg("ids").noconvert(), py::arg("kernel"), py::arg("stride"),
          py::arg("dilation"), py::arg("before"), py::arg("after"), py::arg("beyond"),
          py::arg("n_threads").noconvert() = 1, kDoc);
}
