#pragma once

#include "dmcnn/voxel_set.hpp"

namespace dmcnn {

/// Clusters of n entries: entry e has counts[e] projections, after those of the previous entries;
/// projection p owns the clusters offsets[p]..offsets[p+1]-1, and cluster k is the set of voxels k.
struct Clusters {
    std::vector<std::int64_t> counts;      ///< (n)
    std::vector<std::int64_t> offsets{0};  ///< (projections + 1)
    std::vector<std::uint64_t> id;         ///< (clusters); unset = all bits of the 16 or 64 that the file has
    VoxelSets sets;
};

/// Decodes n entries of a LArCV2 branch of type std::vector<larcv::VoxelSet>[], streamed member-wise: cluster2d's
/// `_cluster_v._voxel_vv`.
///
/// data      nbytes decompressed bytes; entry e is data[entries[e]:entries[e+1]], big-endian:
///               u32 0x40000000 | (bytes of the entry - 4)
///               u16 version; bit 0x4000 (member-wise streaming) must be set
///               u16 class version 0, u32 checksum 6779a85c (ids of 16 bits) or 123c507a (64 bits, v2_2_0 on)
///               then, for each projection: i32 count, count x cluster id and, unless count is 0, one entry as
///               decode_voxels has them, with count sets
/// entries   (n + 1) positions in data
///
/// For any bytes, nothing outside data is read. std::invalid_argument names the entry, the value found and the value
/// expected.
Clusters decode_clusters(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n);

}  // namespace dmcnn
