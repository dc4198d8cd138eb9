#include "dmcnn/match_windows.hpp"

#include "check.hpp"

using dmcnn::match_windows;
using dmcnn::Stencil;

namespace {

using Numbers = std::vector<std::int32_t>;

constexpr dmcnn::Triple kOnes{1, 1, 1}, kNone{0, 0, 0};

void matches() {
    const Numbers ids{-1, -1, -1, -1, -1, 4, -1, -1};  // two maps of 2 x 2: empty, and one pixel
    const Stencil stencil{{1, 2, 2}, kOnes, kOnes, {0, 1, 1}, kNone, kNone};
    for (const int threads : {1, 2, 5}) {
        const dmcnn::DistinctWindows found = match_windows(ids.data(), 2, {1, 2, 2}, stencil, threads);
        CHECK((found.shape == dmcnn::Triple{1, 2, 2}));
        CHECK((found.number == Numbers{0, 0, 0, 0, 1, 2, 1, 3}));
        CHECK((found.offsets == std::vector<std::int64_t>{0, 1, 4}));
        CHECK((found.count == Numbers{4, 2, 1, 1}));
        CHECK((found.neighbours == Numbers{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 4, -1, 4, -1, -1}));
    }
}

void reaches_beyond() {
    const Numbers ids{7, 7, 7};
    const Stencil stencil{{1, 1, 2}, {1, 1, 2}, kOnes, kNone, kNone, {0, 0, 1}};
    const dmcnn::DistinctWindows found = match_windows(ids.data(), 1, {1, 1, 3}, stencil, 1);
    CHECK((found.neighbours == Numbers{7, 7, 7, dmcnn::kBeyond}));
}

void refuses() {
    const Numbers ids(4);
    const auto match = [&](const dmcnn::Triple& shape, const Stencil& stencil) {
        match_windows(ids.data(), 1, shape, stencil, 1);
    };
    CHECK(refused("axis 2: kernel 0", [&] { match({1, 2, 2}, {{1, 1, 0}, kOnes, kOnes, kNone, kNone, kNone}); }));
    CHECK(
        refused("axis 1: padded size 2", [&] { match({1, 2, 2}, {{1, 3, 1}, kOnes, kOnes, kNone, kNone, kNone}); }));
    CHECK(refused("more than 2147483647",
                  [&] { match({1, 2, 2}, {kOnes, kOnes, kOnes, {0, 65536, 65536}, kNone, kNone}); }));
}

}  // namespace

int main() {
    matches();
    reaches_beyond();
    refuses();
    return failures != 0;
}
