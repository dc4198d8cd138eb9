#include "dmcnn/normalise_rows.hpp"

#include <vector>

#include "check.hpp"

namespace {

using Numbers = std::vector<double>;

const Numbers data{1, 10, 4, 40, 8, 80};
const std::vector<std::int64_t> offsets{0, 2, 3};
const std::vector<std::int32_t> count{2, 1, 3};
const dmcnn::ImageRows<double> rows{data.data(), 2, offsets.data(), 2, count.data()};
const Numbers centre{2, 20, 8, 80}, scale{10, 1, 1, 1}, shift{0, 0, 5, 6}, tilt{1, 0, 0, 0};

void measures() {
    for (const int threads : {1, 3}) {
        Numbers mean(4), squares(4);
        measure_rows(rows, threads, mean.data(), squares.data());
        CHECK((mean == centre));
        CHECK((squares == Numbers{6, 600, 0, 0}));
        const Numbers slope{1, 1, 2, 2, 3, 3};
        measure_slopes(rows, slope.data(), centre.data(), threads, mean.data(), squares.data());
        CHECK((mean == Numbers{3, 3, 3, 3} && squares == Numbers{3, 30, 0, 0}));
    }
}

void scales() {
    for (const int threads : {1, 3}) {
        Numbers out(6);
        scale_rows(rows, centre.data(), scale.data(), shift.data(), threads, out.data());
        CHECK((out == Numbers{-10, -10, 20, 20, 5, 6}));
        const Numbers slope{1, 1, 2, 2, 3, 3};
        scale_slopes(rows, slope.data(), centre.data(), scale.data(), shift.data(), tilt.data(), threads, out.data());
        CHECK((out == Numbers{12, 1, 18, 2, -12, -15}));
    }
}

}  // namespace

int main() {
    measures();
    scales();
    return failures != 0;
}
