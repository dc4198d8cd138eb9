#include "dmcnn/densify.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "dmcnn/parallel.hpp"
#include "dmcnn/random.hpp"

namespace dmcnn {

namespace {

using std::to_string;

inline void store(float value, float* at) { *at = value; }

inline void store(float value, std::uint16_t* at) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
    *at = static_cast<std::uint16_t>(std::isnan(value) ? 0x7fc0U : rounded);
}

/// Map from pixels of one image to pixels of the output.
class Move {
  public:
    Move(const Augmentation& change, std::int64_t image, const Shape& shape)
        : shape_(shape), turn_(change.orientation ? change.orientation[image] : std::uint8_t{0}) {
        if (turn_ > (kTranspose | kFlipRows | kFlipCols))
            refuse("image", image, "orientation", to_string(turn_), "0 to 7");
        if ((turn_ & kTranspose) && shape.height != shape.width)
            refuse("image", image, "transpose of", to_string(shape.height) + " x " + to_string(shape.width),
                   "a square image");
        if (change.shift) {  // a shift by the whole size empties the image; a larger one must not overflow
            down_ = std::clamp(change.shift[2 * image], -shape.height, shape.height);
            right_ = std::clamp(change.shift[2 * image + 1], -shape.width, shape.width);
        }
    }

    bool stays() const { return turn_ == 0 && down_ == 0 && right_ == 0; }

    /// Returns the new number of pixel `at`, or -1 outside the image.
    std::int64_t operator()(std::int64_t at) const {
        const auto line = static_cast<std::uint32_t>(at) / static_cast<std::uint32_t>(shape_.width);
        const std::int64_t channel = line / static_cast<std::uint32_t>(shape_.height);
        std::int64_t row = line - channel * shape_.height, col = at - line * shape_.width;
        if (turn_ & kTranspose) std::swap(row, col);
        if (turn_ & kFlipRows) row = shape_.height - 1 - row;
        if (turn_ & kFlipCols) col = shape_.width - 1 - col;
        row += down_;
        col += right_;
        if (row < 0 || row >= shape_.height || col < 0 || col >= shape_.width) return -1;
        return (channel * shape_.height + row) * shape_.width + col;
    }

  private:
    Shape shape_;
    std::uint8_t turn_;
    std::int64_t down_ = 0, right_ = 0;
};

void check(const Images& from, const Augmentation& change) {
    check_shape(from.shape);
    if (from.offsets[0] != 0) refuse("offset", 0, "value", to_string(from.offsets[0]), "0");
    if (from.offsets[from.n] != from.nnz)
        refuse("offset", from.n, "value", to_string(from.offsets[from.n]), to_string(from.nnz) + " pixels");
    if (!(change.noise >= 0 && std::isfinite(change.noise)))
        throw std::invalid_argument("noise " + to_string(change.noise) + ", expected a finite number >= 0");
    if (!(change.mask >= 0 && change.mask <= 1))
        throw std::invalid_argument("mask " + to_string(change.mask) + ", expected a probability, 0 to 1");
    if ((change.noise > 0 || change.mask > 0) && !change.key)
        throw std::invalid_argument("noise or mask without key, expected a key for every image");
}

}  // namespace

template <class Pixel>
void densify(const Images& from, const std::int64_t* which, std::int64_t n, const Augmentation& change, int threads,
             Pixel* out, std::int64_t* lost) {
    check(from, change);
    const std::int64_t size = from.shape.channels * from.plane();
    const bool random = change.noise > 0 || change.mask > 0;
    parallel_for(static_cast<std::size_t>(n), threads, [&](std::size_t place) {
        const auto i = static_cast<std::int64_t>(place);
        const std::int64_t number = which ? which[i] : i;
        if (number < 0 || number >= from.n)
            refuse("image", i, "number", to_string(number), "0 to " + to_string(from.n - 1));
        const std::int64_t start = from.offsets[number], stop = from.offsets[number + 1];
        if (start < 0 || stop < start || stop > from.nnz)
            refuse("image", i, "offsets", to_string(start) + " to " + to_string(stop),
                   "increasing positions up to " + to_string(from.nnz));
        const Move move(change, i, from.shape);
        const bool stays = move.stays();
        const Stream stream(change.seed, random ? change.key[i] : 0);
        Pixel* image = out + i * size;
        // Half the time of std::fill for images larger than the cache; all bits 0 is the number 0 in every type here.
        std::memset(image, 0, static_cast<std::size_t>(size) * sizeof(Pixel));
        std::int64_t outside = 0;
        for (std::int64_t k = start; k < stop; ++k) {
            std::int64_t at = from.index[k];
            if (at < 0 || at >= size) refuse("image", i, "index", to_string(at), "0 to " + to_string(size - 1));
            float value = from.value[k];
            if (random) {
                const std::uint64_t word = 4 * static_cast<std::uint64_t>(at);
                if (stream.uniform(word) < change.mask) continue;
                value = static_cast<float>(value + static_cast<double>(change.noise) * stream.normal(word + 1));
            }
            if (!stays) at = move(at);
            if (at < 0)
                ++outside;
            else
                store(value, image + at);
        }
        lost[i] = outside;
    });
}

template void densify(const Images&, const std::int64_t*, std::int64_t, const Augmentation&, int, float*,
                      std::int64_t*);
template void densify(const Images&, const std::int64_t*, std::int64_t, const Augmentation&, int, std::uint16_t*,
                      std::int64_t*);

}  // namespace dmcnn
