#include "dmcnn/densify.hpp"

#include <cmath>

#include "check.hpp"
#include "dmcnn/random.hpp"

using dmcnn::Augmentation;
using dmcnn::densify;
using dmcnn::Images;

namespace {

using Pixels = std::vector<float>;

const std::vector<std::int64_t> offsets{0, 2, 2};
const std::vector<std::int32_t> index{1, 7};
const std::vector<float> value{3.0F, 5.0F};
const Images images{offsets.data(), 2, index.data(), value.data(), 2, {2, 2, 2}};

Pixels dense(std::uint8_t orientation, std::int64_t down = 0, std::int64_t right = 0) {
    Pixels out(16, -1.0F);
    const std::vector<std::uint8_t> turns{orientation, 0};
    const std::vector<std::int64_t> shift{down, right, 0, 0};
    std::vector<std::int64_t> lost(2, -1);
    Augmentation change;
    change.orientation = turns.data();
    change.shift = shift.data();
    densify(images, nullptr, 2, change, 2, out.data(), lost.data());
    CHECK(lost[1] == 0);
    out.push_back(static_cast<float>(lost[0]));
    return out;
}

/// The 8 pixels of image 0, then image 1, which is empty, then the lost pixels of image 0.
Pixels expected(Pixels pixels, float lost = 0) {
    pixels.resize(16, 0.0F);
    pixels.push_back(lost);
    return pixels;
}

void scatters_turns_and_shifts() {
    // image 0: channel 0 = [[0, 3], [0, 0]], channel 1 = [[0, 0], [0, 5]]
    CHECK(dense(0) == expected({0, 3, 0, 0, 0, 0, 0, 5}));
    CHECK(dense(dmcnn::kTranspose) == expected({0, 0, 3, 0, 0, 0, 0, 5}));
    CHECK(dense(dmcnn::kFlipRows) == expected({0, 0, 0, 3, 0, 5, 0, 0}));
    CHECK(dense(dmcnn::kFlipCols) == expected({3, 0, 0, 0, 0, 0, 5, 0}));
    CHECK(dense(dmcnn::kTranspose | dmcnn::kFlipRows) == expected({3, 0, 0, 0, 0, 5, 0, 0}));
    CHECK(dense(7) == expected({0, 3, 0, 0, 5, 0, 0, 0}));
    CHECK(dense(0, 1, 0) == expected({0, 0, 0, 3}, 1));
    CHECK(dense(0, 0, -1) == expected({3, 0, 0, 0, 0, 0, 5, 0}));
    CHECK(dense(dmcnn::kFlipCols, 0, 1) == expected({0, 3, 0, 0, 0, 0, 0, 5}));
    CHECK(dense(0, INT64_MAX, INT64_MIN) == expected({}, 2));
}

void takes_any_images_in_any_order() {
    const std::vector<std::int64_t> which{1, 0, 0};
    std::vector<std::uint16_t> out(24, 9);
    std::vector<std::int64_t> lost(3);
    densify(images, which.data(), 3, {}, 1, out.data(), lost.data());
    for (std::size_t k = 0; k < out.size(); ++k) {
        const unsigned wanted = k < 8 ? 0 : k % 8 == 1 ? 0x4040 : k % 8 == 7 ? 0x40a0 : 0;
        CHECK(out[k] == wanted);
    }
}

/// Words of splitmix64 with the seed 1234567, as published by Vigna, and the numbers made of words.
void random_numbers() {
    std::uint64_t state = 1234567;
    const std::vector<std::uint64_t> words{6457827717110365317U, 3203168211198807973U, 9817491932198370423U};
    for (const std::uint64_t word : words) CHECK(dmcnn::mix(state += dmcnn::kGolden) == word);
    const dmcnn::Stream stream(1, 2), same(1, 2), other(2, 1);
    CHECK(stream.word(5) == same.word(5) && stream.word(5) != other.word(5));
    double sum = 0, squares = 0;
    for (std::uint64_t i = 0; i < 10000; ++i) {
        const double z = stream.normal(3 * i);
        CHECK(std::abs(z) < 6);
        sum += z;
        squares += z * z;
    }
    CHECK(std::abs(sum) < 400 && std::abs(squares - 10000) < 600);
}

void refuses() {
    Pixels out(16);
    std::vector<std::int64_t> lost(2);
    const auto call = [&](std::vector<std::int64_t> starts, std::vector<std::int32_t> pixels, std::uint8_t turn,
                          const dmcnn::Shape& shape) {
        const std::vector<std::uint8_t> turns(2, turn);
        Augmentation change;
        change.orientation = turns.data();
        densify({starts.data(), 2, pixels.data(), value.data(), 2, shape}, nullptr, 2, change, 2, out.data(),
                lost.data());
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
    const std::vector<std::int64_t> which{0, 2};
    CHECK(refused("image 1: number 2", [&] { densify(images, which.data(), 2, {}, 1, out.data(), lost.data()); }));
    for (const auto& [noise, mask] : {std::pair{-1.0F, 0.0}, {NAN, 0.0}, {1.0F, 0.0}, {0.0F, 1.1}, {0.0F, 0.5}}) {
        Augmentation change;
        change.noise = noise;
        change.mask = mask;
        CHECK(refused("expected", [&] { densify(images, nullptr, 2, change, 1, out.data(), lost.data()); }));
    }
}

}  // namespace

int main() {
    scatters_turns_and_shifts();
    takes_any_images_in_any_order();
    random_numbers();
    refuses();
    return failures != 0;
}
