#pragma once

#include <cstdint>
#include <vector>

#include "dmcnn/entry.hpp"

namespace dmcnn {

/// Sets of voxels as concatenated columns.
struct VoxelSets {
    std::vector<std::int64_t> offsets{0};  ///< (m + 1): set s owns id[offsets[s]:offsets[s+1]], and value likewise
    std::vector<std::uint64_t> id;         ///< number of the voxel in its image, as stored
    std::vector<float> value;              ///< as stored: NaN and infinity included
};

/// Reads the member-wise header of std::vector<larcv::Voxel>; returns the bytes of the entry after its voxels.
std::int64_t begin_voxels(Entry& entry);

/// Reads one set (i32 count, count x u64 id, count x float32 value, big-endian) and appends it.
void add_voxel_set(Entry& entry, VoxelSets& sets);

}  // namespace dmcnn
