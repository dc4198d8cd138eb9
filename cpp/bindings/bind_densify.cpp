#include <optional>

#include "dmcnn/densify.hpp"
#include "images.hpp"

namespace {

template <class T>
using Maybe = std::optional<Array<T>>;

template <class T>
const T* checked(const Maybe<T>& array, const char* name, const std::vector<py::ssize_t>& shape) {
    if (!array) return nullptr;
    expect(*array, name, shape);
    return array->data();
}

template <class Pixel>
Array<std::int64_t> densify(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index,
                            const Array<float>& value, Array<Pixel>& out, const Maybe<std::uint8_t>& orientation,
                            const Maybe<std::int64_t>& which, const Maybe<std::int64_t>& shift,
                            const Maybe<std::uint64_t>& key, std::uint64_t seed, double noise, double mask,
                            int threads) {
    expect(out, "out", {-1, -1, -1, -1});
    const py::ssize_t n = out.shape(0);
    const dmcnn::Images from = view(offsets, index, value, {out.shape(1), out.shape(2), out.shape(3)});
    if (!which) expect(offsets, "offsets", {n + 1});
    const std::int64_t* numbers = checked(which, "which", {n});
    const dmcnn::Augmentation change{checked(orientation, "orientation", {n}),
                                     checked(shift, "shift", {n, 2}),
                                     checked(key, "key", {n}),
                                     seed,
                                     static_cast<float>(noise),
                                     mask};
    Pixel* dense = out.mutable_data();
    Array<std::int64_t> lost(n);
    std::int64_t* counts = lost.mutable_data();
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        dmcnn::densify(from, numbers, n, change, threads, dense, counts);
    }
    return lost;
}

constexpr const char* kDoc = R"(Write sparse images into a dense batch, zeros included, augmented on the way.

Args:
    offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
    index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W).
    value: (nnz,) float32 [ADC].
    out: (B, C, H, W) float32, or uint16 for the bits of bfloat16 (rounded to nearest, ties to even), writeable,
        C-contiguous; overwritten.
    orientation: (B,) uint8, a sum of 1 (swap H and W, square images only), 2 (then reverse H: rows, ticks) and
        4 (then reverse W: columns, wires); None leaves the images as they are.
    which: (B,) int64, numbers of the images to write; None writes all (B = n).
    shift: (B, 2) int64 [pixels], rows down and columns right, after the orientation; what leaves the image is lost.
    key: (B,) uint64, the images' names to the random numbers; needed by ``noise`` and ``mask``.
    seed: of the random numbers.
    noise: [ADC] rms of the noise added to every active pixel (a sum of 12 uniform numbers: |noise| < 6 rms).
    mask: probability to leave a pixel out.
    n_threads: at most so many work on different images. The random numbers depend on (seed, key, stored pixel
        number) alone, and nothing depends on the threads: see cpp/include/dmcnn/random.hpp and densify.hpp.

Returns:
    (B,) int64: pixels of each image that the shift moved out of it.

Raises:
    ValueError: the text names the place in the batch, what was found and what was expected; ``out`` is then
        unspecified.)";

template <class Pixel>
void define(py::module_& m) {
    m.def("densify", &densify<Pixel>, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
          py::arg("value").noconvert(), py::arg("out").noconvert(), py::arg("orientation").noconvert() = py::none(),
          py::arg("which").noconvert() = py::none(), py::arg("shift").noconvert() = py::none(),
          py::arg("key").noconvert() = py::none(), py::arg("seed").noconvert() = 0, py::arg("noise") = 0.0,
          py::arg("mask") = 0.0, py::arg("n_threads").noconvert() = 1, kDoc);
}

}  // namespace

void bind_densify(py::module_& m) {
    define<float>(m);
    define<std::uint16_t>(m);
}
