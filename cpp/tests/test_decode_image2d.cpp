#include "dmcnn/decode_image2d.hpp"

#include <cstring>
#include <limits>
#include <random>

#include "check.hpp"

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
using Bytes = std::vector<std::uint8_t>;
using Numbers = std::vector<std::int64_t>;

void put_u32(Bytes& bytes, std::uint32_t word) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
}

/// One entry that holds `images`, each a list of pixels.
Bytes entry(const std::vector<std::vector<float>>& images, std::uint8_t version = 9) {
    Bytes body{0, version};
    for (const std::vector<float>& image : images) {
        put_u32(body, static_cast<std::uint32_t>(image.size()));
        for (const float pixel : image) {
            std::uint32_t bits;
            std::memcpy(&bits, &pixel, sizeof bits);
            put_u32(body, bits);
        }
    }
    Bytes bytes;
    put_u32(bytes, 0x40000000U | static_cast<std::uint32_t>(body.size()));
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}

/// One entry into one channel. The bytes live in an allocation of just their size, so that a sanitizer sees an
/// over-read.
dmcnn::Sparse decode(const Bytes& bytes, std::int64_t position, std::int64_t rows, std::int64_t cols,
                     bool flip_rows = false, const dmcnn::Shape& shape = {1, 4, 4}) {
    const Bytes exact(bytes.begin(), bytes.end());
    const auto size = static_cast<std::int64_t>(exact.size());
    const Numbers entries{0, size};
    return dmcnn::decode_image2d(exact.data(), size, entries.data(), 1, &position, &rows, &cols, shape, {-kInf, kInf},
                                 flip_rows);
}

const Bytes valid = entry({{1, 2, 3, 4, 5, 6}, {}, {0, 7}});

void decodes() {
    const dmcnn::Sparse first = decode(valid, 0, 2, 3, false, {1, 2, 3});
    CHECK((first.index == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
    CHECK((first.value == std::vector<float>{1, 3, 5, 2, 4, 6}));
    const dmcnn::Sparse flipped = decode(valid, 0, 2, 3, true, {1, 2, 3});
    CHECK((flipped.value == std::vector<float>{2, 4, 6, 1, 3, 5}));
    CHECK(decode(valid, 1, 0, 5).index.empty());
    CHECK(decode(valid, -1, -7, 5).index.empty());
    CHECK((decode(valid, 2, 2, 1).index == std::vector<std::int32_t>{9}));
    CHECK((decode(entry({}), -1, 0, 0).offsets == Numbers{0, 0}));
}

void long_images_have_no_seams() {
    for (std::size_t size = 1; size < 70; ++size)
        for (std::size_t k = 0; k < size; ++k) {
            std::vector<float> pixels(size, 0.0F);
            pixels[k] = 2.0F;
            const auto rows = static_cast<std::int64_t>(size);
            const dmcnn::Sparse sparse = decode(entry({pixels}), 0, rows, 1, false, {1, rows, 1});
            CHECK(sparse.index.size() == 1 && sparse.index[0] == static_cast<std::int32_t>(k));
        }
}

void refuses() {
    const auto with = [](std::size_t at, std::uint8_t byte) {
        Bytes bytes = valid;
        bytes[at] = byte;
        return bytes;
    };
    CHECK(refused("entry 0: byte count", [&] { decode(with(3, 0), 0, 2, 3); }));
    CHECK(refused("entry 0: byte count", [&] { decode(with(0, 0), 0, 2, 3); }));
    CHECK(refused("entry 0: version", [&] { decode(with(4, 0x40), 0, 2, 3); }));
    CHECK(refused("entry 0: count of pixels -", [&] { decode(with(6, 0x80), 0, 2, 3); }));
    CHECK(refused("entry 0: count of pixels 2130706438", [&] { decode(with(6, 0x7f), 0, 2, 3); }));
    CHECK(refused("entry 0: count 6 of image 0, expected 3 rows x 3 cols", [&] { decode(valid, 0, 3, 3); }));
    CHECK(refused("entry 0: image number 3", [&] { decode(valid, 3, 2, 3); }));
    CHECK(refused("entry 0: image number -2", [&] { decode(valid, -2, 2, 3); }));
    CHECK(refused("entry 0: image of size", [&] { decode(valid, 0, INT64_MIN, -1); }));
    CHECK(refused("entry 0: length 0", [&] { decode({}, -1, 0, 0); }));
    const Numbers one{0};
    for (const Numbers& entries : {Numbers{6, 0}, Numbers{-6, 6}, Numbers{0, 7}, Numbers{INT64_MIN, INT64_MAX}})
        CHECK(refused("entry 0: bytes", [&] {
            const Bytes bytes = entry({});
            dmcnn::decode_image2d(bytes.data(), 6, entries.data(), 1, one.data(), one.data(), one.data(), {1, 4, 4},
                                  {-kInf, kInf}, false);
        }));
}

/// Mutated and truncated entries: a clear refusal or a valid batch, nothing else (run under sanitizers in CI).
void survives_hostile_bytes() {
    std::mt19937 random(20);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    int decoded = 0;
    for (int turn = 0; turn < 20000; ++turn) {
        Bytes bytes = valid;
        if (turn % 3 == 0) bytes.resize(below(bytes.size()));
        for (std::size_t change = below(4); change > 0 && !bytes.empty(); --change)
            bytes[below(bytes.size())] = static_cast<std::uint8_t>(random());
        if (bytes.size() >= 4 && turn % 2) bytes[3] = static_cast<std::uint8_t>(bytes.size() - 4);
        try {
            const dmcnn::Sparse sparse = decode(bytes, static_cast<std::int64_t>(below(4)) - 1, 2, 3);
            ++decoded;
            CHECK(sparse.offsets.size() == 2 && sparse.offsets[1] == static_cast<std::int64_t>(sparse.value.size()));
            for (const std::int32_t index : sparse.index) CHECK(index >= 0 && index < 16);
        } catch (const std::invalid_argument& error) {
            CHECK(std::strncmp(error.what(), "entry 0: ", 9) == 0);
        }
    }
    CHECK(decoded > 100);
}

}  // namespace

int main() {
    decodes();
    long_images_have_no_seams();
    refuses();
    survives_hostile_bytes();
    return failures != 0;
}
