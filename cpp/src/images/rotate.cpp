#include "dmcnn/rotate.hpp"

#include <array>
#include <cmath>

#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

constexpr std::int64_t kBlock = 16;  // images that share the sums of one plane

/// Cosine and sine, exact for multiples of 90 degrees.
std::array<double, 2> direction(double degrees) {
    constexpr std::array<std::array<double, 2>, 4> quarters{{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}};
    constexpr double pi = 3.14159265358979323846;
    const double turn = std::fmod(degrees, 360.0), quarter = turn / 90.0;
    if (quarter == std::floor(quarter)) return quarters[static_cast<std::size_t>(static_cast<int>(quarter) + 4) % 4];
    return {std::cos(turn * pi / 180.0), std::sin(turn * pi / 180.0)};
}

/// Sums of one channel; it gives its pixels in order without a sort, by a bit for each.
class Plane {
  public:
    explicit Plane(const Shape& shape)
        : shape_(shape),
          sum_(static_cast<std::size_t>(shape.height * shape.width)),
          touched_((sum_.size() + 63) / 64) {}

    void add(std::int64_t row, std::int64_t col, double charge) {
        if (charge == 0 || row < 0 || row >= shape_.height || col < 0 || col >= shape_.width) return;
        const auto at = static_cast<std::size_t>(row * shape_.width + col);
        sum_[at] += charge;
        touched_[at / 64] |= std::uint64_t{1} << at % 64;
    }

    /// Moves the sums to `part` as pixels from number `first` on, and begins anew.
    void flush(std::int64_t first, Part& part, std::int64_t number) {
        for (std::size_t word = 0; word < touched_.size(); ++word) {
            for (std::size_t at = 64 * word; touched_[word] != 0; ++at, touched_[word] >>= 1)
                if (touched_[word] & 1U) {
                    part.add(first + static_cast<std::int64_t>(at), sum_[at], "image", number);
                    sum_[at] = 0;
                }
        }
    }

  private:
    Shape shape_;
    std::vector<double> sum_;
    std::vector<std::uint64_t> touched_;
};

Part rotate_image(const Images& images, std::int64_t i, double degrees, Plane& plane) {
    const auto [height, width] = std::array{images.shape.height, images.shape.width};
    const auto [cos, sin] = direction(degrees);
    const double middle = 0.5 * static_cast<double>(height - 1), centre = 0.5 * static_cast<double>(width - 1);
    Part part;
    for (std::int64_t c = 0; c < images.shape.channels; ++c) {
        for_each_pixel(images, i, c, 0, height, [&, cos = cos, sin = sin](auto row, auto col, auto k) {
            const double y = static_cast<double>(row) - middle, x = static_cast<double>(col) - centre;
            const double down = middle + y * cos - x * sin, right = centre + x * cos + y * sin;
            const double top = std::floor(down), left = std::floor(right);
            const double low = down - top, far = right - left, charge = images.value[k];
            const auto r = static_cast<std::int64_t>(top), q = static_cast<std::int64_t>(left);
            const bool inside = down >= -0.5 && down < static_cast<double>(height) - 0.5 && right >= -0.5 &&
                                right < static_cast<double>(width) - 0.5;
            part.cut += inside ? 0 : 1;
            plane.add(r, q, charge * (1 - low) * (1 - far));
            plane.add(r, q + 1, charge * (1 - low) * far);
            plane.add(r + 1, q, charge * low * (1 - far));
            plane.add(r + 1, q + 1, charge * low * far);
        });
        plane.flush(c * images.plane(), part, i);
    }
    return part;
}

}  // namespace

Sparse rotate(const Images& images, const double* degrees, int threads) {
    check_images(images, threads);
    for (std::int64_t i = 0; i < images.n; ++i)
        if (!std::isfinite(degrees[i]))
            refuse("image", i, "angle", std::to_string(degrees[i]), "a finite number of degrees");
    std::vector<Part> parts(static_cast<std::size_t>(images.n));
    parallel_for((parts.size() + kBlock - 1) / kBlock, threads, [&](std::size_t block) {
        Plane plane(images.shape);
        const auto first = static_cast<std::int64_t>(block) * kBlock;
        for (std::int64_t i = first; i < std::min(first + kBlock, images.n); ++i)
            parts[static_cast<std::size_t>(i)] = rotate_image(images, i, degrees[i], plane);
    });
    return join(parts);
}

}  // namespace dmcnn
