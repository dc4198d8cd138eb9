#include "dmcnn/rows.hpp"

#include <vector>

#include "check.hpp"

using dmcnn::Index;
using dmcnn::Rows;

namespace {

using Numbers = std::vector<float>;
using Ints = std::vector<std::int32_t>;

const Ints number{0, 1, -1, 1, -2, -2};  // three rows of two neighbours
const Index index{number.data(), 3, 2};
const Numbers source{1, 2, 30, 40};  // two rows of two channels

void gathers() {
    Numbers out(6);
    dmcnn::gather_rows<float, float>({source.data(), 2, 2, false}, index, nullptr, false, 2,
                                     {out.data(), 3, 2, false});
    CHECK((out == Numbers{31, 42, 30, 40, 0, 0}));
    const Numbers bias{-35, 0};
    dmcnn::gather_rows<float, float>({source.data(), 2, 2, false}, index, bias.data(), true, 1,
                                     {out.data(), 3, 2, false});
    CHECK((out == Numbers{0, 42, 0, 40, 0, 0}));
    Numbers apart(12);
    dmcnn::gather_rows<float, float>({source.data(), 2, 2, false}, index, nullptr, false, 1,
                                     {apart.data(), 3, 2, true});
    CHECK((apart == Numbers{1, 2, 30, 40, 0, 0, 30, 40, 0, 0, 0, 0}));
    const Numbers products{1, 2, 3, 4, 50, 60, 70, 80};  // two rows of two places of two channels
    dmcnn::gather_rows<float, float>({products.data(), 2, 2, true}, index, nullptr, false, 1,
                                     {out.data(), 3, 2, false});
    CHECK((out == Numbers{71, 82, 70, 80, 0, 0}));
    CHECK(refused("row 0: neighbour 1, expected negative, or 0 to 0", [&] {
        dmcnn::gather_rows<float, float>({source.data(), 1, 2, false}, index, nullptr, false, 1,
                                         {out.data(), 3, 2, false});
    }));
}

void scatters() {
    const dmcnn::Listed listed = dmcnn::list_users(index, 2);
    CHECK((listed.start == Ints{0, 1, 1, 1, 3} && listed.user == Ints{0, 0, 1}));
    const dmcnn::Users users{listed.start.data(), 2, 2, listed.user.data(), 3};
    const Numbers slopes{1, 2, 10, 20, 100, 200};
    Numbers out(4);
    dmcnn::scatter_rows<float, float>({slopes.data(), 3, 2, false}, users, nullptr, 2, {out.data(), 2, 2, false});
    CHECK((out == Numbers{1, 2, 11, 22}));
    const Ints which{0, -1, 1, 0, 0, 0};
    dmcnn::scatter_rows<float, float>({slopes.data(), 3, 2, false}, users, which.data(), 1,
                                      {out.data(), 2, 2, false});
    CHECK((out == Numbers{1, 0, 10, 0}));
    CHECK(refused("row 1: user 1, expected 0 to 0", [&] {
        dmcnn::scatter_rows<float, float>({slopes.data(), 1, 2, false}, users, nullptr, 1, {out.data(), 2, 2, false});
    }));
}

void takes_maxima() {
    Numbers out(6);
    Ints which(6);
    dmcnn::max_rows<float>({source.data(), 2, 2, false}, index, 2, {out.data(), 3, 2, false}, which.data());
    CHECK((out[0] == 30 && out[3] == 40 && out[4] < -1e30F));
    CHECK((which == Ints{1, 1, 1, 1, -1, -1}));
}

}  // namespace

int main() {
    gathers();
    scatters();
    takes_maxima();
    return failures != 0;
}
