#include "dmcnn/decode_voxels.hpp"

#include "bytes.hpp"
#include "check.hpp"

namespace {

using Numbers = std::vector<std::int64_t>;
constexpr std::uint32_t kVoxel = 0x7a384fda;

/// One entry; its bytes lie in an allocation of just their size, so that a sanitizer sees an over-read.
dmcnn::Voxels decode(const Bytes& bytes) {
    const Bytes exact(bytes.begin(), bytes.end());
    const auto size = static_cast<std::int64_t>(exact.size());
    const Numbers entries{0, size};
    return dmcnn::decode_voxels(exact.data(), size, entries.data(), 1);
}

const Bytes valid = Bytes(voxel_set({{3, 1.5F}, {std::uint64_t{1} << 40, -2.0F}}))
                        .append(voxel_set({}))
                        .append(voxel_set({{7, 4.0F}}))
                        .member_wise(kVoxel);

void decodes() {
    const dmcnn::Voxels voxels = decode(valid);
    CHECK(voxels.counts == Numbers{3});
    CHECK((voxels.sets.offsets == Numbers{0, 2, 2, 3}));
    CHECK((voxels.sets.id == std::vector<std::uint64_t>{3, std::uint64_t{1} << 40, 7}));
    CHECK((voxels.sets.value == std::vector<float>{1.5F, -2.0F, 4.0F}));
    const dmcnn::Voxels empty = decode(Bytes().member_wise(kVoxel));
    CHECK(empty.counts == Numbers{0} && empty.sets.offsets == Numbers{0});
    const Numbers none{0};
    CHECK(dmcnn::decode_voxels(nullptr, 0, none.data(), 0).counts.empty());
}

void refuses() {
    CHECK(refused("entry 0: bytes left 0, expected the 12 of a member-wise header", [] { decode({}); }));
    CHECK(refused("entry 0: byte count 56, expected 2^30 + 8", [] { decode(valid.with(0, 0)); }));
    CHECK(refused("entry 0: byte count", [] { decode(valid.with(3, 0)); }));
    CHECK(refused("entry 0: byte count that leaves 1 bytes", [] { decode(Bytes(valid).put(0, 1)); }));
    CHECK(refused("entry 0: version 9, expected bit 14 set", [] { decode(valid.with(4, 0)); }));
    CHECK(refused("entry 0: class version 1", [] { decode(valid.with(7, 1)); }));
    CHECK(refused("entry 0: checksum 2050510592, expected 2050510810", [] { decode(valid.with(11, 0)); }));
    CHECK(refused("entry 0: count of voxels 3, expected 0 to 2",
                  [] { decode(Bytes(voxel_set({{1, 1}, {2, 1}})).with(3, 3).member_wise(kVoxel)); }));
    CHECK(refused("entry 0: count of voxels -", [] { decode(valid.with(12, 0x80)); }));
    CHECK(refused("entry 0: bytes left 1, expected the 4", [] { decode(Bytes().put(0, 1).member_wise(kVoxel)); }));
    for (const Numbers& entries : {Numbers{6, 0}, Numbers{-6, 6}, Numbers{0, 7}, Numbers{INT64_MIN, INT64_MAX}})
        CHECK(refused("entry 0: bytes", [&] {
            const Bytes bytes(6);
            dmcnn::decode_voxels(bytes.data(), 6, entries.data(), 1);
        }));
}

}  // namespace

int main() {
    decodes();
    refuses();
    return failures != 0;
}
