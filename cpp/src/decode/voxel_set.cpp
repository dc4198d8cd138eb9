#include "dmcnn/voxel_set.hpp"

namespace dmcnn {

std::int64_t begin_voxels(Entry& entry) {
    constexpr std::uint32_t kVoxel = 0x7a384fda;
    const MemberWise header = entry.member_wise_header();
    if (header.checksum != kVoxel)
        entry.fail("checksum", std::to_string(header.checksum), std::to_string(kVoxel) + " (larcv::Voxel)");
    return header.left_after;
}

void add_voxel_set(Entry& entry, VoxelSets& sets) {
    const std::int64_t n = entry.count(12, "count of voxels");
    const unsigned char* ids = entry.take(8 * n, "voxel ids");
    const unsigned char* values = entry.take(4 * n, "voxel values");
    for (std::int64_t i = 0; i < n; ++i) sets.id.push_back(load_big_u64(ids + 8 * i));
    for (std::int64_t i = 0; i < n; ++i) sets.value.push_back(load_big(values + 4 * i));
    sets.offsets.push_back(static_cast<std::int64_t>(sets.id.size()));
}

}  // namespace dmcnn
