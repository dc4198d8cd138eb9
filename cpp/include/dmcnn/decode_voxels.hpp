#pragma once

#include "dmcnn/voxel_set.hpp"

namespace dmcnn {

/// Voxels of n entries: entry e has counts[e] sets of voxels, after those of the previous entries.
struct Voxels {
    std::vector<std::int64_t> counts;
    VoxelSets sets;
};

/// Decodes n entries of a LArCV2 branch of type std::vector<larcv::Voxel>[], streamed member-wise: sparse2d's
/// `_tensor_v._voxel_v` and cluster3d's `_voxel_vv._voxel_v`.
///
/// data      nbytes decompressed bytes; entry e is data[entries[e]:entries[e+1]], big-endian:
///               u32 0x40000000 | (bytes of the entry - 4)
///               u16 version; bit 0x4000 (member-wise streaming) must be set
///               u16 class version 0, u32 checksum 7a384fda
///               then, for each set: i32 count, count x u64 id, count x float32 value
/// entries   (n + 1) positions in data
///
/// For any bytes, nothing outside data is read. std::invalid_argument names the entry, the value found and the value
/// expected.
Voxels decode_voxels(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n);

}  // namespace dmcnn
