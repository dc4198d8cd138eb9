#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

/// Big-endian bytes, as ROOT writes them.
struct Bytes : std::vector<std::uint8_t> {
    using std::vector<std::uint8_t>::vector;

    Bytes& put(std::uint64_t word, int size) {
        for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) push_back(static_cast<std::uint8_t>(word >> shift));
        return *this;
    }
    Bytes& put_u16(std::uint64_t word) { return put(word, 2); }
    Bytes& put_u32(std::uint64_t word) { return put(word, 4); }
    Bytes& put_u64(std::uint64_t word) { return put(word, 8); }
    Bytes& put_float(float value) {
        std::uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        return put_u32(bits);
    }
    Bytes& append(const Bytes& more) {
        insert(end(), more.begin(), more.end());
        return *this;
    }
    Bytes with(std::size_t place, std::uint8_t byte) const {
        Bytes changed = *this;
        changed[place] = byte;
        return changed;
    }

    /// These bytes behind the header of a member-wise streamed vector.
    Bytes member_wise(std::uint32_t checksum) const {
        Bytes whole;
        whole.put_u32(0x40000000U | (size() + 8)).put_u16(0x4009).put_u16(0).put_u32(checksum);
        return whole.append(*this);
    }
};

struct Voxel {
    std::uint64_t id;
    float value;
};

/// One set of voxels as it is streamed.
inline Bytes voxel_set(const std::vector<Voxel>& voxels) {
    Bytes bytes;
    bytes.put_u32(voxels.size());
    for (const Voxel& voxel : voxels) bytes.put_u64(voxel.id);
    for (const Voxel& voxel : voxels) bytes.put_float(voxel.value);
    return bytes;
}
