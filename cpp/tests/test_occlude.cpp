#include "dmcnn/occlude.hpp"

#include "check.hpp"

using dmcnn::list_windows;

namespace {

using Numbers = std::vector<std::int64_t>;
using Places = std::vector<std::int32_t>;

constexpr dmcnn::Shape kShape{2, 4, 5};
// channel 0: (0, 0), (1, 1), (3, 4); channel 1: (0, 1), (3, 4)
const Places index{0, 6, 19, 21, 39};

dmcnn::Windows windows(std::int64_t half, std::int64_t stride, bool skip) {
    return list_windows(index.data(), 5, kShape, {half, stride, skip}, 1);
}

void lists_and_merges() {
    const dmcnn::Windows found = windows(1, 1, false);
    CHECK((found.rows == Numbers{0, 0, 1, 3} && found.cols == Numbers{0, 1, 1, 4}));
    CHECK((found.number == Numbers{0, 0, 0, 1}));
    CHECK((found.offsets == Numbers{0, 3, 5} && found.covered == Places{0, 1, 3, 2, 4}));
    const dmcnn::Windows alone = windows(0, 1, false);
    CHECK((alone.number == Numbers{0, 1, 2, 3} && alone.covered == Places{0, 3, 1, 2, 4}));
    const dmcnn::Windows inside = windows(1, 1, true);
    CHECK((inside.rows == Numbers{1} && inside.cols == Numbers{1}));
    CHECK(windows(INT64_MAX, 1, false).offsets == (Numbers{0, 5}));
    CHECK(windows(INT64_MAX, 1, true).rows.empty());
}

void strides() {
    const dmcnn::Windows cells = windows(0, 3, false);  // cells of rows 0-2, 3 and of columns 0-2, 3-4
    CHECK((cells.rows == Numbers{1} && cells.cols == Numbers{1} && cells.covered == Places{1}));
    const dmcnn::Windows wide = windows(1, 3, false);
    CHECK((wide.rows == Numbers{1, 3} && wide.cols == Numbers{1, 3}));
    const dmcnn::Windows one = windows(9, INT64_MAX, false);
    CHECK((one.rows == Numbers{1} && one.cols == Numbers{2} && one.offsets == Numbers{0, 5}));
}

void boxes() {
    const auto list = [](std::int64_t half, std::int64_t stride, bool skip, std::int64_t depth, int threads) {
        return list_windows(index.data(), 5, kShape, {half, stride, skip, depth}, threads);
    };
    for (const int threads : {1, 3}) {
        const dmcnn::Windows flat = list(1, 1, false, 0, threads);
        CHECK((flat.frames == Numbers{0, 0, 0, 1, 1}));
        CHECK((flat.rows == Numbers{0, 1, 3, 0, 3} && flat.cols == Numbers{0, 1, 4, 1, 4}));
        CHECK((flat.number == Numbers{0, 0, 1, 2, 3}));
        CHECK((flat.offsets == Numbers{0, 2, 3, 4, 5} && flat.covered == Places{0, 1, 2, 3, 4}));
        const dmcnn::Windows deep = list(1, 1, false, INT64_MAX, threads);
        CHECK((deep.number == Numbers{0, 0, 1, 0, 1} && deep.covered == windows(1, 1, false).covered));
        CHECK((list(1, 1, true, 0, threads).rows == Numbers{1}));
        CHECK(list(1, 1, true, 1, threads).rows.empty());
        const dmcnn::Windows cells = list(1, 3, false, 0, threads);
        CHECK((cells.frames == Numbers{0, 0, 1, 1} && cells.number == Numbers{0, 1, 2, 3}));
        CHECK((cells.rows == Numbers{1, 3, 1, 3} && cells.cols == Numbers{1, 3, 1, 3}));
    }
    CHECK(refused("depth -2", [&] { list(1, 1, false, -2, 1); }));
}

void writes() {
    const dmcnn::Windows found = windows(1, 1, false);
    const std::vector<float> value{7, 8, 9, 10, 11};
    const Numbers which{1, 0};
    std::vector<float> out(80, 1.0F);
    dmcnn::occlude({index.data(), value.data(), 5, found.offsets.data(), 2, found.covered.data(), 5}, which.data(),
                   nullptr, 2, 40, 2, out.data());
    std::vector<float> expected(80, 1.0F);
    expected[19] = 9;
    expected[39] = 11;
    expected[40] = 7;
    expected[46] = 8;
    expected[61] = 10;
    CHECK(out == expected);
}

void restores() {
    const dmcnn::Windows found = windows(1, 1, false);
    const std::vector<float> zero(5), own{7, 8, 9, 10, 11};
    const dmcnn::Fill fill{index.data(),         zero.data(), 5,         found.offsets.data(), 2,
                           found.covered.data(), 5,           own.data()};
    std::vector<float> out(80);
    for (const std::size_t image : {0, 40})
        for (std::size_t k = 0; k < 5; ++k) out[image + static_cast<std::size_t>(index[k])] = own[k];
    std::vector<float> expected = out;
    const Numbers first{0, 0}, none{-1, -1}, second{1, 1}, mixed{0, -1};
    dmcnn::occlude(fill, first.data(), none.data(), 2, 40, 2, out.data());
    dmcnn::occlude(fill, second.data(), mixed.data(), 2, 40, 1, out.data());
    for (const std::size_t at : {19U, 39U, 59U, 79U, 40U, 46U, 61U}) expected[at] = 0;  // image 1 keeps both windows
    CHECK(out == expected);
    const Numbers wrong{2, 0};
    CHECK(refused("image 0: window 2",
                  [&] { dmcnn::occlude(fill, first.data(), wrong.data(), 2, 40, 1, out.data()); }));
}

void refuses() {
    const auto list = [](Places pixels, std::int64_t half, std::int64_t stride, const dmcnn::Shape& shape) {
        list_windows(pixels.data(), static_cast<std::int64_t>(pixels.size()), shape, {half, stride, false}, 1);
    };
    CHECK(refused("pixel 1: index 6", [&] { list({6, 6}, 1, 1, kShape); }));
    CHECK(refused("pixel 0: index -1", [&] { list({-1}, 1, 1, kShape); }));
    CHECK(refused("pixel 0: index 40", [&] { list({40}, 1, 1, kShape); }));
    CHECK(refused("pixel 0: index 0", [&] { list({0}, 1, 1, {0, 4, 5}); }));
    CHECK(refused("half -1", [&] { list({0}, -1, 1, kShape); }));
    CHECK(refused("stride 0", [&] { list({0}, 1, 0, kShape); }));
    CHECK(refused("shape", [&] { list({0}, 1, 1, {1, INT64_MAX, 2}); }));
    const std::vector<float> value(5);
    std::vector<float> out(40);
    const auto write = [&](Numbers offsets, Places covered, std::int64_t which, const Places& pixels = index) {
        dmcnn::occlude({pixels.data(), value.data(), 5, offsets.data(), 1, covered.data(), 2}, &which, nullptr, 1, 40,
                       1, out.data());
    };
    CHECK(refused("image 0: window 1", [&] { write({0, 2}, {0, 1}, 1); }));
    CHECK(refused("image 0: window -1", [&] { write({0, 2}, {0, 1}, -1); }));
    CHECK(refused("image 0: offsets 0 to 3", [&] { write({0, 3}, {0, 1}, 0); }));
    CHECK(refused("image 0: offsets -1 to 2", [&] { write({-1, 2}, {0, 1}, 0); }));
    CHECK(refused("image 0: covered 5", [&] { write({0, 2}, {0, 5}, 0); }));
    CHECK(refused("image 0: covered -1", [&] { write({0, 2}, {-1, 5}, 0); }));
    CHECK(refused("image 0: index 40", [&] { write({0, 2}, {0, 4}, 0, {0, 6, 19, 21, 40}); }));
}

}  // namespace

int main() {
    lists_and_merges();
    strides();
    boxes();
    writes();
    restores();
    refuses();
    return failures != 0;
}
