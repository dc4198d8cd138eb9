#include "dmcnn/changes.hpp"

#include <vector>

#include "check.hpp"

using dmcnn::Changes;
using dmcnn::Index;

namespace {

using Ints = std::vector<std::int32_t>;
using Starts = std::vector<std::int64_t>;

const Ints number{0, 1, -1, 1, 2, -2};  // three rows of two neighbours
const Index index{number.data(), 3, 2};
const Starts start{0, 1, 1, 3};  // three variants, the second of which changes nothing
const Ints row{1, 0, 2};

void follows() {
    const dmcnn::Listed listed = dmcnn::list_users(index, 3);
    const dmcnn::Users users{listed.start.data(), 3, 2, listed.user.data(),
                             static_cast<std::int64_t>(listed.user.size())};
    const Changes before{start.data(), 3, row.data(), 3};
    const dmcnn::ListedChanges after = dmcnn::list_changes(before, users, 3, 2);
    CHECK((after.start == Starts{0, 2, 2, 4} && after.row == Ints{0, 1, 0, 2}));
    Ints links(8);
    dmcnn::link_changes(before, index, {after.start.data(), 3, after.row.data(), 3}, 2, links.data());
    CHECK((links == Ints{0, 3, -1, 3, 4, 1, 5, -2}));
    CHECK(refused("user 0, expected 0 to -1", [&] { dmcnn::list_changes(before, users, 0, 1); }));
}

void refuses() {
    const Ints twice{1, 2, 2};
    const Changes after{start.data(), 3, row.data(), 3};
    Ints links(6);
    CHECK(refused("variant 2: row 2, expected 3 to 2",
                  [&] { dmcnn::link_changes({start.data(), 3, twice.data(), 3}, index, after, 1, links.data()); }));
    CHECK(refused("row 0: neighbour 1, expected at most 0", [&] {
        const Starts one{0, 1};
        const Ints first{0};
        dmcnn::link_changes({one.data(), 1, first.data(), 1}, index, {one.data(), 1, first.data(), 3}, 1,
                            links.data());
    }));
}

}  // namespace

int main() {
    follows();
    refuses();
    return failures != 0;
}
