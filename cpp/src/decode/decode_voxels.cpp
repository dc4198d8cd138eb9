#include "dmcnn/decode_voxels.hpp"

namespace dmcnn {

Voxels decode_voxels(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n) {
    Voxels out;
    out.counts.reserve(static_cast<std::size_t>(n));
    for (std::int64_t e = 0; e < n; ++e) {
        Entry entry(data, nbytes, entries, e);
        entry.expect_left(begin_voxels(entry), 0);
        std::int64_t sets = 0;
        for (; entry.left() > 0; ++sets) add_voxel_set(entry, out.sets);
        out.counts.push_back(sets);
    }
    return out;
}

}  // namespace dmcnn
