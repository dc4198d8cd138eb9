#include "dmcnn/locate.hpp"

namespace dmcnn {

namespace {

/// Segment tree of int64 sums: adds to a range of positions, returns the maximum and its first position.
class MaxTree {
  public:
    explicit MaxTree(std::int64_t places) {
        while (size_ < static_cast<std::size_t>(places)) size_ *= 2;
        most_.assign(2 * size_, std::numeric_limits<std::int64_t>::min());  // never the maximum
        std::fill_n(most_.begin() + static_cast<std::ptrdiff_t>(size_), places, 0);
        for (std::size_t node = size_ - 1; node > 0; --node)
            most_[node] = std::max(most_[2 * node], most_[2 * node + 1]);
        added_.assign(size_, 0);
    }

    /// Adds to the positions first .. last.
    void add(std::size_t first, std::size_t last, std::int64_t charge) {
        const std::size_t first_leaf = first + size_, last_leaf = last + size_;
        for (std::size_t a = first_leaf, b = last_leaf + 1; a < b; a /= 2, b /= 2) {
            if (a % 2) apply(a++, charge);
            if (b % 2) apply(--b, charge);
        }
        refresh(first_leaf);
        refresh(last_leaf);
    }

    std::int64_t most() const { return most_[1]; }

    std::int64_t where() const {
        std::size_t node = 1;
        while (node < size_) node = 2 * node + (most_[2 * node] < most_[2 * node + 1]);
        return static_cast<std::int64_t>(node - size_);
    }

  private:
    void apply(std::size_t node, std::int64_t charge) {
        most_[node] += charge;
        if (node < size_) added_[node] += charge;
    }

    void refresh(std::size_t node) {
        while (node /= 2) most_[node] = std::max(most_[2 * node], most_[2 * node + 1]) + added_[node];
    }

    std::size_t size_ = 1;                  // a power of two, the root is node 1, the leaves size_ .. 2 size_ - 1
    std::vector<std::int64_t> most_, added_;  // per node: maximum below it; number added to all below it
};

/// A charged pixel, and the windows (by their left column) that contain it.
struct Point {
    std::int32_t row, first, last;
    std::int64_t charge;
};

struct Found {
    std::int64_t top = 0, left = 0, charge = std::numeric_limits<std::int64_t>::min();
};

/// The window moves down over the rows; the maximum can change only where a pixel enters or leaves.
Found sweep(const std::vector<Point>& points, std::int64_t tops, std::int64_t lefts, std::int64_t height) {
    MaxTree tree(lefts);
    Found best;
    const auto change = [&](const Point& p, std::int64_t charge) {
        tree.add(static_cast<std::size_t>(p.first), static_cast<std::size_t>(p.last), charge);
    };
    auto enter = points.begin(), leave = points.begin();
    for (std::int64_t top = 0; top < tops;) {
        for (; enter != points.end() && enter->row < top + height; ++enter) change(*enter, enter->charge);
        for (; leave != points.end() && leave->row < top; ++leave) change(*leave, -leave->charge);
        if (tree.most() > best.charge) best = {top, tree.where(), tree.most()};
        top = tops;
        if (enter != points.end()) top = std::min(top, enter->row - height + 1);
        if (leave != points.end()) top = std::min<std::int64_t>(top, leave->row + 1);
    }
    return best;
}

/// s of most_charge: with charges in units of 2^-s no sum of them overflows.
int binary_places(const float* value, std::int64_t n) {
    float largest = 0.0F;
    for (std::int64_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(value[k]));
    int exponent = 0, bits = 0;
    std::frexp(largest, &exponent);
    while (n >> bits) ++bits;
    return 62 - bits - exponent;
}

std::vector<Point> charged_points(const Images& images, std::int64_t i, std::int64_t lefts, std::int64_t width,
                                  double unit) {
    std::vector<Point> points;
    points.reserve(static_cast<std::size_t>(images.offsets[i + 1] - images.offsets[i]));
    for (std::int64_t c = 0; c < images.shape.channels; ++c)
        for_each_pixel(images, i, c, 0, images.shape.height, [&](std::int64_t row, std::int64_t col, std::int64_t k) {
            const std::int64_t first = std::max<std::int64_t>(0, col - width + 1);
            const std::int64_t last = std::min(lefts - 1, col);
            points.push_back({static_cast<std::int32_t>(row), static_cast<std::int32_t>(first),
                              static_cast<std::int32_t>(last), std::llrint(images.value[k] / unit)});
        });
    if (images.shape.channels > 1)  // sums of whole numbers: the order inside a row does not matter
        std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.row < b.row; });
    return points;
}

}  // namespace

void centroid(const Images& images, double* rows, double* cols, int threads) {
    check_images(images, threads);
    parallel_for(static_cast<std::size_t>(images.n), threads, [&](std::size_t i) {
        double charge = 0.0, by_row = 0.0, by_col = 0.0;
        for (std::int64_t c = 0; c < images.shape.channels; ++c)
            for_each_pixel(images, static_cast<std::int64_t>(i), c, 0, images.shape.height,
                           [&](std::int64_t row, std::int64_t col, std::int64_t k) {
                               const double weight = std::max(0.0F, images.value[k]);
                               charge += weight;
                               by_row += weight * static_cast<double>(row);
                               by_col += weight * static_cast<double>(col);
                           });
        rows[i] = charge > 0.0 ? by_row / charge : static_cast<double>(images.shape.height - 1) / 2;
        cols[i] = charge > 0.0 ? by_col / charge : static_cast<double>(images.shape.width - 1) / 2;
    });
}

void most_charge(const Images& images, std::int64_t height, std::int64_t width, std::int64_t* tops,
                 std::int64_t* lefts, double* charge, int threads) {
    check_images(images, threads);
    check_window(height, width);
    const std::int64_t down = images.shape.height - height, across = images.shape.width - width;
    const std::int64_t n_tops = std::max<std::int64_t>(0, down) + 1, n_lefts = std::max<std::int64_t>(0, across) + 1;
    parallel_for(static_cast<std::size_t>(images.n), threads, [&](std::size_t k) {
        const auto i = static_cast<std::int64_t>(k);
        const std::int64_t start = images.offsets[i], count = images.offsets[i + 1] - start;
        const double unit = std::ldexp(1.0, -binary_places(images.value + start, count));
        const Found found = sweep(charged_points(images, i, n_lefts, width, unit), n_tops, n_lefts, height);
        tops[i] = down < 0 ? down / 2 : found.top;
        lefts[i] = across < 0 ? across / 2 : found.left;
        charge[i] = static_cast<double>(found.charge) * unit;
    });
}

}  // namespace dmcnn
