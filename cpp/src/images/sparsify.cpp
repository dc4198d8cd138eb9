#include "dmcnn/sparsify.hpp"

#include <algorithm>

#include "dmcnn/collect.hpp"
#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

/// Blocks of images per thread: enough that one block of full images does not keep the other threads waiting.
constexpr std::int64_t kBlocks = 8;

}  // namespace

Sparse sparsify(const float* pixels, std::int64_t n_pixels, const std::int64_t* starts, const std::int64_t* rows,
                const std::int64_t* cols, std::int64_t n, const Shape& shape, const Bounds& bounds, bool row_major,
                int threads) {
    const std::int64_t blocks = threads > 1 ? std::clamp<std::int64_t>(n, 1, kBlocks * threads) : 1;
    std::vector<Sparse> parts(static_cast<std::size_t>(blocks));
    parallel_for(parts.size(), threads, [&](std::size_t part) {
        const auto block = static_cast<std::int64_t>(part);
        const std::int64_t first = n * block / blocks, last = n * (block + 1) / blocks;
        Collector collector(last - first, shape, bounds);
        for (std::int64_t e = first; e < last; ++e) {
            for (std::int64_t c = 0; c < shape.channels; ++c) {
                const std::int64_t cell = e * shape.channels + c, start = starts[cell];
                if (start == -1) continue;
                const Layout layout{rows[cell], cols[cell], row_major, false};
                const std::int64_t count = count_pixels("image", e, layout.rows, layout.cols);
                if (start < 0 || start > n_pixels || count > n_pixels - start)
                    refuse("image", e, "pixels", std::to_string(start) + " + " + std::to_string(count),
                           "-1, or a place in " + std::to_string(n_pixels) + " pixels");
                collector.add<Native>(c, reinterpret_cast<const unsigned char*>(pixels + start), layout);
            }
            collector.end_image();
        }
        parts[part] = collector.take();
    });
    return join(parts);
}

}  // namespace dmcnn
