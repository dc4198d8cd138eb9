#include "dmcnn/densify.hpp"

#include "check.hpp"

using dmcnn::densify;

namespace {

const std::vector<std::int64_t> offsets{0, 2, 2};
const std::vector<std::int32_t> index{1, 7};
const std::vector<float> value{3.0F, 5.0F};

std::vector<float> dense(std::uint8_t orientation) {
    std::vector<float> out(16, -1.0F);
    const std::vector<std::uint8_t> turns{orientation, 0};
    densify(offsets.data(), 2, index.data(), value.data(), 2, turns.data(), {2, 2, 2}, out.data());
    return out;
}

void scatters_and_turns() {
    // image 0: channel 0 = [[0, 3], [0, 0]], channel 1 = [[0, 0], [0, 5]]; image 1 is empty
    using Pixels = std::vector<float>;
    const auto with_empty = [](Pixels pixels) {
        pixels.resize(16, 0.0F);
        return pixels;
    };
    CHECK(dense(0) == with_empty({0, 3, 0, 0, 0, 0, 0, 5}));
    CHECK(dense(dmcnn::kTranspose) == with_empty({0, 0, 3, 0, 0, 0, 0, 5}));
    CHECK(dense(dmcnn::kFlipRows) == with_empty({0, 0, 0, 3, 0, 5, 0, 0}));
    CHECK(dense(dmcnn::kFlipCols) == with_empty({3, 0, 0, 0, 0, 0, 5, 0}));
    CHECK(dense(dmcnn::kTranspose | dmcnn::kFlipRows) == with_empty({3, 0, 0, 0, 0, 5, 0, 0}));
    CHECK(dense(7) == with_empty({0, 3, 0, 0, 5, 0, 0, 0}));
}

void refuses() {
    std::vector<float> out(16);
    const auto call = [&](std::vector<std::int64_t> starts, std::vector<std::int32_t> pixels, std::uint8_t turn,
                          const dmcnn::Shape& shape) {
        const std::vector<std::uint8_t> turns(2, turn);
        densify(starts.data(), 2, pixels.data(), value.data(), 2, turns.data(), shape, out.data());
    };
    CHECK(refused("image 0: index 8", [&] { call({0, 2, 2}, {1, 8}, 0, {2, 2, 2}); }));
    CHECK(refused("image 1: index -1", [&] { call({0, 1, 2}, {1, -1}, 0, {2, 2, 2}); }));
    CHECK(refused("image 0: offsets 0 to 3", [&] { call({0, 3, 2}, {1, 7}, 0, {2, 2, 2}); }));
    CHECK(refused("image 0: offsets 0 to -1", [&] { call({0, -1, 2}, {1, 7}, 0, {2, 2, 2}); }));
    CHECK(refused("offset 0", [&] { call({1, 2, 2}, {1, 7}, 0, {2, 2, 2}); }));
    CHECK(refused("offset 2", [&] { call({0, 1, 1}, {1, 7}, 0, {2, 2, 2}); }));
    CHECK(refused("image 0: orientation 8", [&] { call({0, 2, 2}, {1, 7}, 8, {2, 2, 2}); }));
    CHECK(refused("image 0: transpose", [&] { call({0, 2, 2}, {1, 7}, 1, {1, 2, 4}); }));
    CHECK(refused("image 0: index 1", [&] { call({0, 2, 2}, {1, 7}, 0, {0, 2, 2}); }));
    CHECK(refused("shape", [&] { call({0, 2, 2}, {1, 7}, 0, {1, INT64_MAX, 2}); }));
    CHECK(refused("shape", [&] { call({0, 2, 2}, {1, 7}, 0, {0, INT64_MAX, 2}); }));
    CHECK(refused("shape", [&] { call({0, 2, 2}, {1, 7}, 0, {2, -2, -2}); }));
}

}  // namespace

int main() {
    scatters_and_turns();
    refuses();
    return failures != 0;
}
