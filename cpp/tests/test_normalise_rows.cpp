#include "dmcnn/normalise_rows.hpp"

#include <cmath>
#include <vector>

#include "check.hpp"

namespace {

using Numbers = std::vector<double>;

const Numbers data{1, 10, 4, 40, 8, 80};
const std::vector<std::int64_t> offsets{0, 2, 3};
const std::vector<std::int32_t> count{2, 1, 3};
const dmcnn::ImageRows<double> rows{data.data(), 2, offsets.data(), 2, count.data()};
const Numbers weight{3, 2}, bias{1, 0};

bool near(const Numbers& found, const Numbers& expected) {
    bool all = found.size() == expected.size();
    for (std::size_t i = 0; all && i < found.size(); ++i) all = std::abs(found[i] - expected[i]) < 1e-12;
    return all;
}

void normalises() {
    for (const int threads : {1, 3}) {
        Numbers out(6), mean(4), variance(4);
        normalise_rows(rows, {2, 2.0, weight.data(), bias.data()}, threads, out.data(), mean.data(), variance.data());
        CHECK((mean == Numbers{2, 20, 8, 80}));
        CHECK((near(variance, {2, 200, 0, 0})));
        const double root = std::sqrt(202.0);
        CHECK((near(out, {1 - 1.5, -20 / root, 1 + 3, 40 / root, 1, 0})));
        normalise_rows(rows, {1, 0.0}, threads, out.data(), mean.data(), variance.data());
        CHECK((mean == Numbers{11, 11, 44, 44}));
        CHECK((near(variance, {182, 182, 1296, 1296})));
        CHECK((near({out[4], out[5]}, {-1, 1})));
    }
}

/// Against differences of sum(slope * normalise_rows) when one number changes.
void slopes() {
    const Numbers slope{1, 2, -3, 4, 5, 6};
    const auto value = [&](const Numbers& numbers) {
        Numbers out(6), mean(4), variance(4);
        const dmcnn::ImageRows<double> moved{numbers.data(), 2, offsets.data(), 2, count.data()};
        normalise_rows(moved, {1, 2.0, weight.data()}, 1, out.data(), mean.data(), variance.data());
        double sum = 0;
        for (std::size_t i = 0; i < 6; ++i) sum += slope[i] * out[i];
        return sum;
    };
    Numbers out(6), mean(4), variance(4), back(6), of_weight(4), of_bias(4);
    normalise_rows(rows, {1, 2.0, weight.data()}, 1, out.data(), mean.data(), variance.data());
    normalise_slopes(rows, {1, 2.0, weight.data()}, slope.data(), mean.data(), variance.data(), 2, back.data(),
                     of_weight.data(), of_bias.data());
    for (std::size_t i = 0; i < 6; ++i) {
        Numbers more = data, less = data;
        more[i] += 1e-4, less[i] -= 1e-4;
        CHECK(std::abs((value(more) - value(less)) / 2e-4 - back[i]) < 1e-7);
    }
    CHECK((near(of_bias, {-2, 6, 5, 6})));
    CHECK((near({of_weight[0]}, {(1.0 * (1 - 11) - 3 * (4 - 11)) / std::sqrt(184.0)})));
}

}  // namespace

int main() {
    normalises();
    slopes();
    return failures != 0;
}
