#include "dmcnn/decode_voxels.hpp"

#include "fuzz.hpp"

namespace {

void decode(const Input& input) {
    const dmcnn::Voxels out = dmcnn::decode_voxels(input.data.data(), input.size(), input.entries.data(), 2);
    expect(out.counts.size() == 2);
    expect(out.counts[0] + out.counts[1] + 1 == static_cast<std::int64_t>(out.sets.offsets.size()));
    expect(out.sets.id.size() == out.sets.value.size());
    expect_offsets(out.sets.offsets, out.sets.id.size());
    expect(12 * out.sets.id.size() <= input.data.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    return attempt(bytes, size, decode);
}
