#include "dmcnn/rotate.hpp"

#include <limits>

#include "check.hpp"

using Ints = std::vector<std::int64_t>;
using Indices = std::vector<std::int32_t>;

namespace {

// image 0: channel 0 = [[1, 0, 2], [0, 0, 0], [0, 0, 4]], channel 1 = its pixel (1, 1) = -8; image 1: empty
const Ints offsets{0, 4, 4};
const Indices index{0, 2, 8, 13};
const std::vector<float> value{1, 2, 4, -8};
const dmcnn::Images images{offsets.data(), 2, index.data(), value.data(), 4, {2, 3, 3}};

dmcnn::Sparse turn(const Ints& source, const std::vector<double>& degrees, const dmcnn::Images& from = images) {
    return dmcnn::rotate(from, {source.data(), degrees.data(), static_cast<std::int64_t>(source.size())}, 2);
}

void quarters() {
    const dmcnn::Sparse found = turn({0, 1, 0, 0, 0}, {90, 90, 180, -90, 720});
    CHECK((found.offsets == Ints{0, 4, 4, 8, 12, 16}));
    CHECK((Indices(found.index.begin(), found.index.begin() + 4) == Indices{0, 2, 6, 13}));
    CHECK((Indices(found.index.begin() + 4, found.index.begin() + 8) == Indices{0, 6, 8, 13}));
    CHECK((Indices(found.index.begin() + 8, found.index.begin() + 12) == Indices{2, 6, 8, 13}));
    CHECK((Indices(found.index.begin() + 12, found.index.end()) == index));
    CHECK((std::vector<float>(found.value.begin(), found.value.begin() + 4) == std::vector<float>{2, 4, 1, -8}));
    CHECK((found.cut == Ints{0, 0, 0, 0, 0}));
    CHECK(turn({}, {}).offsets == Ints{0});
}

void shares() {
    const dmcnn::Sparse found = turn({0}, {45});  // the centres of the corners stay inside, 0.09 from the border
    CHECK((found.cut == Ints{0}));
    double charge = 0;
    for (std::size_t k = 0; k + 1 < found.value.size(); ++k) charge += found.value[k];
    CHECK(charge > 0 && charge < 7);
    CHECK(found.index.back() == 13 && found.value.back() == -8);
}

void refuses() {
    CHECK(refused("turn 1: image 2, expected 0 to 1", [] { turn({0, 2}, {0, 0}); }));
    CHECK(refused("turn 0: angle nan", [] { turn({0}, {std::numeric_limits<double>::quiet_NaN()}); }));
    CHECK(refused("turn 0: angle inf", [] { turn({0}, {std::numeric_limits<double>::infinity()}); }));
    const auto with = [](Indices pixels, std::vector<float> values) {
        turn({0}, {10}, {offsets.data(), 2, pixels.data(), values.data(), 4, {2, 3, 3}});
    };
    CHECK(refused("image 0: index 18", [&] { with({0, 2, 8, 18}, value); }));
    CHECK(refused("image 0: index 2, expected 3", [&] { with({0, 2, 2, 13}, value); }));
    CHECK(refused("image 0: value inf", [&] { with(index, {1, 2, 4, std::numeric_limits<float>::infinity()}); }));
}

}  // namespace

int main() {
    quarters();
    shares();
    refuses();
    return failures != 0;
}
