#include "dmcnn/decode_clusters.hpp"

#include "bytes.hpp"
#include "check.hpp"

namespace {

using Numbers = std::vector<std::int64_t>;
using Ids = std::vector<std::uint64_t>;
constexpr std::uint32_t kVoxel = 0x7a384fda, kShortIds = 0x6779a85c, kLongIds = 0x123c507a;

/// One entry; its bytes lie in an allocation of just their size, so that a sanitizer sees an over-read.
dmcnn::Clusters decode(const Bytes& bytes) {
    const Bytes exact(bytes.begin(), bytes.end());
    const auto size = static_cast<std::int64_t>(exact.size());
    const Numbers entries{0, size};
    return dmcnn::decode_clusters(exact.data(), size, entries.data(), 1);
}

/// Projections of 0, 2 and 1 clusters whose ids take `size` bytes.
Bytes entry(int size, std::uint32_t checksum) {
    Bytes body;
    body.put_u32(0);
    body.put_u32(2).put(5, size).put(0xffff, size);
    body.append(Bytes(voxel_set({{3, 1.5F}, {9, 2.5F}})).append(voxel_set({})).member_wise(kVoxel));
    body.put_u32(1).put(6, size).append(voxel_set({{1, 3.5F}}).member_wise(kVoxel));
    return body.member_wise(checksum);
}

const Bytes valid = entry(2, kShortIds);

void decodes() {
    for (const Bytes& bytes : {valid, entry(8, kLongIds)}) {
        const dmcnn::Clusters clusters = decode(bytes);
        CHECK(clusters.counts == Numbers{3});
        CHECK((clusters.offsets == Numbers{0, 0, 2, 3}));
        CHECK((clusters.id == Ids{5, 0xffff, 6}));
        CHECK((clusters.sets.offsets == Numbers{0, 2, 2, 3}));
        CHECK((clusters.sets.id == Ids{3, 9, 1}));
        CHECK((clusters.sets.value == std::vector<float>{1.5F, 2.5F, 3.5F}));
    }
    CHECK(decode(Bytes().member_wise(kLongIds)).counts == Numbers{0});
}

void refuses() {
    CHECK(refused("entry 0: bytes left 0", [] { decode({}); }));
    CHECK(refused("entry 0: checksum", [] { decode(Bytes().member_wise(kVoxel)); }));
    CHECK(refused("entry 0: byte count that leaves 1 bytes", [] { decode(Bytes(valid).put(0, 1)); }));
    CHECK(refused("entry 0: count of clusters -", [] { decode(valid.with(12, 0x80)); }));
    CHECK(refused("entry 0: count of clusters 255, expected 0 to", [] { decode(valid.with(19, 255)); }));
    CHECK(refused("entry 0: byte count", [] { decode(valid.with(24, 0)); }));
    // a nested vector that says it is one byte longer than its voxels are
    CHECK(refused("entry 0: byte count that leaves", [] { decode(valid.with(27, valid[27] + 1)); }));
    CHECK(refused("entry 0", [] { decode(valid.with(28, 0)); }));
    CHECK(refused("entry 0: checksum", [] { decode(valid.with(32, 0)); }));
}

/// Every truncation and every byte changed to every edge value: a clear refusal or columns that fit together.
void survives_hostile_bytes() {
    int decoded = 0;
    const auto attempt = [&](const Bytes& bytes) {
        try {
            const dmcnn::Clusters clusters = decode(bytes);
            ++decoded;
            CHECK(clusters.offsets.back() == static_cast<std::int64_t>(clusters.id.size()));
            CHECK(clusters.sets.offsets.size() == clusters.id.size() + 1);
            CHECK(clusters.sets.offsets.back() == static_cast<std::int64_t>(clusters.sets.value.size()));
        } catch (const std::invalid_argument& error) {
            CHECK(std::strncmp(error.what(), "entry 0: ", 9) == 0);
        }
    };
    for (std::size_t place = 0; place < valid.size(); ++place) {
        attempt(Bytes(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(place)));
        for (const int byte : {0, 1, 2, 0x7f, 0x80, 0xff})
            attempt(valid.with(place, static_cast<std::uint8_t>(byte)));
    }
    CHECK(decoded > 100);
}

}  // namespace

int main() {
    decodes();
    refuses();
    survives_hostile_bytes();
    return failures != 0;
}
