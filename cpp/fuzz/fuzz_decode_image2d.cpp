#include "dmcnn/decode_image2d.hpp"

#include "fuzz.hpp"

namespace {

void decode(const Input& input) {
    const std::vector<std::uint8_t>& c = input.controls;
    const auto image = [&](int of) { return std::int64_t{static_cast<std::int8_t>(c[2])} + of; };
    const std::vector<std::int64_t> position{image(0), image(1), -1, image(0)};
    const std::vector<std::int64_t> rows{c[3], c[4], 0, c[3]}, cols{c[4], c[3], 0, c[4]};
    const dmcnn::Shape shape{2, c[5], c[6]};
    const dmcnn::Bounds bounds{c[7] & 2 ? 10.0F : -1e30F, 500.0F};
    const dmcnn::Sparse out =
        dmcnn::decode_image2d(input.data.data(), input.size(), input.entries.data(), 2, position.data(), rows.data(),
                              cols.data(), shape, bounds, (c[7] & 1) != 0);
    expect(out.offsets.size() == 3 && out.bad.size() == 2 && out.cut.size() == 2);
    expect(out.value.size() == out.index.size());
    expect_offsets(out.offsets, out.index.size());
    for (std::size_t i = 0; i < out.index.size(); ++i) {
        expect(out.index[i] >= 0 && out.index[i] < shape.channels * shape.height * shape.width);
        expect(out.value[i] != 0 && out.value[i] >= bounds.lo && out.value[i] <= bounds.hi);
    }
    for (std::size_t image_number = 0; image_number < 2; ++image_number)
        for (std::int64_t k = out.offsets[image_number] + 1; k < out.offsets[image_number + 1]; ++k)
            expect(out.index[static_cast<std::size_t>(k - 1)] < out.index[static_cast<std::size_t>(k)]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    return attempt(bytes, size, decode);
}
