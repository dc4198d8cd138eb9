#include "dmcnn/decode_clusters.hpp"

namespace dmcnn {

namespace {

constexpr std::uint32_t kShortIds = 0x6779a85c, kLongIds = 0x123c507a;

/// Returns the bytes of a cluster's id, by the checksum of larcv::VoxelSet.
std::int64_t id_size(const Entry& entry, std::uint32_t checksum) {
    if (checksum == kShortIds) return 2;
    if (checksum == kLongIds) return 8;
    entry.fail("checksum", std::to_string(checksum),
               std::to_string(kShortIds) + " or " + std::to_string(kLongIds) + " (larcv::VoxelSet)");
}

void add_projection(Entry& entry, std::int64_t size, Clusters& out) {
    const std::int64_t n = entry.count(size, "count of clusters");
    const unsigned char* ids = entry.take(size * n, "cluster ids");
    for (std::int64_t i = 0; i < n; ++i)
        out.id.push_back(size == 2 ? load_big_u16(ids + 2 * i) : load_big_u64(ids + 8 * i));
    out.offsets.push_back(static_cast<std::int64_t>(out.id.size()));
    if (n == 0) return;
    const std::int64_t left_after = begin_voxels(entry);
    for (std::int64_t i = 0; i < n; ++i) add_voxel_set(entry, out.sets);
    entry.expect_left(left_after, entry.left());
}

}  // namespace

Clusters decode_clusters(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n) {
    Clusters out;
    out.counts.reserve(static_cast<std::size_t>(n));
    for (std::int64_t e = 0; e < n; ++e) {
        Entry entry(data, nbytes, entries, e);
        const MemberWise header = entry.member_wise_header();
        entry.expect_left(header.left_after, 0);
        const std::int64_t size = id_size(entry, header.checksum);
        std::int64_t projections = 0;
        for (; entry.left() > 0; ++projections) add_projection(entry, size, out);
        out.counts.push_back(projections);
    }
    return out;
}

}  // namespace dmcnn
