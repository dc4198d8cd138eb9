#include "dmcnn/decode_clusters.hpp"

#include "fuzz.hpp"

namespace {

void decode(const Input& input) {
    const dmcnn::Clusters out = dmcnn::decode_clusters(input.data.data(), input.size(), input.entries.data(), 2);
    expect(out.counts.size() == 2);
    expect(out.counts[0] + out.counts[1] + 1 == static_cast<std::int64_t>(out.offsets.size()));
    expect_offsets(out.offsets, out.id.size());
    expect(out.sets.offsets.size() == out.id.size() + 1);
    expect(out.sets.id.size() == out.sets.value.size());
    expect_offsets(out.sets.offsets, out.sets.id.size());
    expect(12 * out.sets.id.size() + 2 * out.id.size() <= input.data.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    return attempt(bytes, size, decode);
}
