#include "dmcnn/sparsify.hpp"

#include "dmcnn/collect.hpp"

namespace dmcnn {

Sparse sparsify(const float* pixels, std::int64_t n_pixels, const std::int64_t* starts, const std::int64_t* rows,
                const std::int64_t* cols, std::int64_t n, const Shape& shape, const Bounds& bounds, bool row_major) {
    Collector collector(n, shape, bounds);
    for (std::int64_t e = 0; e < n; ++e) {
        for (std::int64_t c = 0; c < shape.channels; ++c) {
            const std::int64_t cell = e * shape.channels + c, start = starts[cell];
            if (start == -1) continue;
            const Layout layout{rows[cell], cols[cell], row_major, false};
            const std::int64_t count = count_pixels("image", e, layout.rows, layout.cols);
            if (start < 0 || start > n_pixels || count > n_pixels - start)
                refuse("image", e, "pixels", std::to_string(start) + " + " + std::to_string(count),
                       "-1, or a place in " + std::to_string(n_pixels) + " pixels");
            collector.add<load_native>(c, reinterpret_cast<const unsigned char*>(pixels + start), layout);
        }
        collector.end_image();
    }
    return collector.take();
}

}  // namespace dmcnn
