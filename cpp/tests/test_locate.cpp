#include "dmcnn/locate.hpp"

#include "check.hpp"

using Ints = std::vector<std::int64_t>;

namespace {

struct Found {
    std::int64_t top = -99, left = -99;
    double charge = -99;

    bool operator==(const Found& other) const {
        return top == other.top && left == other.left && charge == other.charge;
    }
};

Found search(std::vector<std::int32_t> index, std::vector<float> value, const dmcnn::Shape& shape,
             std::int64_t height, std::int64_t width) {
    const auto n = static_cast<std::int64_t>(index.size());
    const Ints offsets{0, n};
    Found found;
    dmcnn::most_charge({offsets.data(), 1, index.data(), value.data(), n, shape}, height, width, &found.top,
                       &found.left, &found.charge, 1);
    return found;
}

void finds_the_window() {
    CHECK((search({7}, {5}, {1, 4, 4}, 2, 2) == Found{0, 2, 5}));          // smallest top, then smallest left
    CHECK((search({0, 15}, {5, 5}, {1, 4, 4}, 2, 2) == Found{0, 0, 5}));   // a tie
    CHECK((search({0, 10, 15}, {5, 3, 3}, {1, 4, 4}, 2, 2) == Found{2, 2, 6}));
    CHECK((search({5, 21}, {4, 4}, {2, 4, 4}, 1, 1) == Found{1, 1, 8}));   // both channels
    CHECK((search({}, {}, {1, 4, 4}, 2, 2) == Found{0, 0, 0}));
    CHECK((search({0, 1}, {-1, -2}, {1, 1, 2}, 1, 1) == Found{0, 0, -1}));  // nowhere is there more
    CHECK((search({0, 5}, {-1, -1}, {1, 2, 3}, 2, 1) == Found{0, 1, 0}));
    CHECK((search({3}, {1}, {1, 2, 2}, 5, 4) == Found{-1, -1, 1}));        // larger than the image
    CHECK((search({3}, {1}, {1, 2, 2}, INT32_MAX, 1) == Found{-(INT32_MAX - 2) / 2, 1, 1}));
    CHECK((search({}, {}, {1, 0, 0}, 1, 1) == Found{0, 0, 0}));
}

void sums_are_exact() {
    // The window that has passed 2^30 and left it behind holds just what it held before.
    const Found after = search({0, 8, 9, 14}, {0x1p30F, 0x1p-20F, 0x1p-21F, 0x1p-20F}, {1, 1, 16}, 1, 2);
    CHECK((after == Found{0, 0, 0x1p30}));
    const Found rest = search({4, 8, 9, 14}, {-0x1p30F, 0x1p-20F, 0x1p-21F, 0x1p-20F}, {1, 16, 1}, 6, 1);
    CHECK((rest == Found{5, 0, 0x1p-20 + 0x1p-21}));
    // Charges of the whole range of float32 neither overflow nor trap.
    CHECK((search({0, 1, 3}, {3e38F, 3e38F, 1e-45F}, {1, 1, 4}, 1, 2).left == 0));
}

void centres() {
    const Ints offsets{0, 3, 3, 4};
    const std::vector<std::int32_t> index{0, 11, 13, 5};
    const std::vector<float> value{1, 3, -9, -1};
    double rows[3], cols[3];
    dmcnn::centroid({offsets.data(), 3, index.data(), value.data(), 4, {2, 3, 4}}, rows, cols, 2);
    CHECK(rows[0] == 1.5 && cols[0] == 2.25);
    for (const int i : {1, 2}) CHECK(rows[i] == 1.0 && cols[i] == 1.5);
}

void refuses() {
    CHECK(refused("window of 0 x 1", [] { search({}, {}, {1, 4, 4}, 0, 1); }));
    CHECK(refused("window of 1 x", [] { search({}, {}, {1, 4, 4}, 1, INT64_MAX); }));
    CHECK(refused("image 0: index 16", [] { search({16}, {1}, {1, 4, 4}, 1, 1); }));
    CHECK(refused("image 0: value nan", [] { search({1}, {std::nanf("")}, {1, 4, 4}, 1, 1); }));
    CHECK(refused("shape", [] { search({}, {}, {1, INT64_MAX, 4}, 1, 1); }));
}

}  // namespace

int main() {
    finds_the_window();
    sums_are_exact();
    centres();
    refuses();
    return failures != 0;
}
