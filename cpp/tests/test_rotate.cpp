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

dmcnn::Sparse turn(double degrees, const dmcnn::Images& from = images) {
    const std::vector<double> angles(static_cast<std::size_t>(from.n), degrees);
    return dmcnn::rotate(from, angles.data(), 2);
}

void quarters() {
    CHECK((turn(90).index == Indices{0, 2, 6, 13} && turn(90).value == std::vector<float>{2, 4, 1, -8}));
    CHECK((turn(180).index == Indices{0, 6, 8, 13}));
    CHECK((turn(-90).index == Indices{2, 6, 8, 13} && turn(270).value == turn(-90).value));
    CHECK(turn(720).index == index && turn(720).value == value);
    CHECK((turn(90).offsets == offsets && turn(90).cut == Ints{0, 0}));
    CHECK(turn(10, {offsets.data(), 0, index.data(), value.data(), 0, {2, 3, 3}}).offsets == Ints{0});
}

void shares() {
    const dmcnn::Sparse found = turn(45);  // the centres of the corners stay inside, 0.09 from the border
    CHECK((found.cut == Ints{0, 0}));
    double charge = 0;
    for (std::size_t k = 0; k + 1 < found.value.size(); ++k) charge += found.value[k];
    CHECK(charge > 0 && charge < 7);
    CHECK(found.index.back() == 13 && found.value.back() == -8);
}

void refuses() {
    CHECK(refused("image 0: angle nan", [] { turn(std::numeric_limits<double>::quiet_NaN()); }));
    CHECK(refused("image 0: angle inf", [] { turn(std::numeric_limits<double>::infinity()); }));
    const auto with = [](Indices pixels, std::vector<float> values) {
        turn(10, {offsets.data(), 2, pixels.data(), values.data(), 4, {2, 3, 3}});
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
