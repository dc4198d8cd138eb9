#include "dmcnn/match_windows.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "dmcnn/cpu.hpp"
#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

using std::size_t;
using Numbers = std::vector<std::int32_t>;

size_t volume(const Triple& shape) { return static_cast<size_t>(shape[0] * shape[1] * shape[2]); }

/// The distinct tuples of one map, found by open addressing.
class Tuples {
  public:
    explicit Tuples(size_t length) : length_(length), slots_(1024, kFree) {}

    std::int32_t number(const std::int32_t* tuple) {
        const std::uint64_t hash = hash_of(tuple);
        size_t slot = hash & (slots_.size() - 1);
        for (; slots_[slot] != kFree; slot = (slot + 1) & (slots_.size() - 1)) {
            const auto row = static_cast<size_t>(slots_[slot]);
            // the whole tuple is compared, so that equal hashes cannot merge different windows
            if (hashes_[row] == hash && std::equal(tuple, tuple + length_, tuples.data() + row * length_))
                return slots_[slot];
        }
        const auto row = static_cast<std::int32_t>(hashes_.size());
        slots_[slot] = row;
        hashes_.push_back(hash);
        tuples.insert(tuples.end(), tuple, tuple + length_);
        if (2 * hashes_.size() > slots_.size()) grow();
        return row;
    }

    size_t size() const { return hashes_.size(); }

    Numbers tuples;  ///< (size, length)

  private:
    static constexpr std::int32_t kFree = -1;

    std::uint64_t hash_of(const std::int32_t* tuple) const {
        // two sums, for a product has to wait for the one before it
        std::uint64_t even = 0x9e3779b97f4a7c15U, odd = 0xbf58476d1ce4e5b9U;
        size_t i = 0;
        for (; i + 1 < length_; i += 2) {
            even = (even ^ static_cast<std::uint32_t>(tuple[i])) * 0xd6e8feb86659fd93U;
            odd = (odd ^ static_cast<std::uint32_t>(tuple[i + 1])) * 0x94d049bb133111ebU;
        }
        if (i < length_) even = (even ^ static_cast<std::uint32_t>(tuple[i])) * 0xd6e8feb86659fd93U;
        const std::uint64_t both = even ^ (odd >> 32 | odd << 32);
        return both ^ both >> 29;
    }

    void grow() {
        slots_.assign(2 * slots_.size(), kFree);
        for (size_t row = 0; row < hashes_.size(); ++row) {
            size_t slot = hashes_[row] & (slots_.size() - 1);
            while (slots_[slot] != kFree) slot = (slot + 1) & (slots_.size() - 1);
            slots_[slot] = static_cast<std::int32_t>(row);
        }
    }

    size_t length_;
    Numbers slots_;
    std::vector<std::uint64_t> hashes_;
};

/// What one map gives.
struct Part {
    Numbers neighbours, count;
};

/// A map with its padding around it, and where its numbers change along a line.
class Padded {
  public:
    Padded(const Triple& shape, const Stencil& stencil)
        : shape_(shape), before_(stencil.before), stride_(static_cast<size_t>(stencil.stride[2])) {
        for (size_t a = 0; a < 3; ++a) size_[a] = shape[a] + stencil.before[a] + stencil.after[a] + stencil.beyond[a];
        ids_.assign(volume(size_), kPadding);
        changes_.assign(ids_.size(), 0);
        for (std::int64_t z = 0; z < size_[0]; ++z)
            for (std::int64_t y = 0; y < size_[1]; ++y) {
                const bool past = z >= size_[0] - stencil.beyond[0] || y >= size_[1] - stencil.beyond[1];
                std::int32_t* begin = ids_.data() + at(z, y);
                std::fill(past ? begin : begin + size_[2] - stencil.beyond[2], begin + size_[2], kBeyond);
            }
    }

    void fill(const std::int32_t* ids) {
        for (std::int64_t z = 0; z < shape_[0]; ++z)
            for (std::int64_t y = 0; y < shape_[1]; ++y, ids += shape_[2])
                std::copy(ids, ids + shape_[2], ids_.data() + at(z + before_[0], y + before_[1]) + before_[2]);
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            const std::int32_t* __restrict number = ids_.data();
            std::uint8_t* __restrict changes = changes_.data();
            const size_t size = ids_.size(), stride = stride_;
            for (size_t i = stride; i < size; ++i)
                changes[i] = static_cast<std::uint8_t>(number[i] != number[i - stride]);
        });
    }

    std::int64_t at(std::int64_t z, std::int64_t y) const { return (z * size_[1] + y) * size_[2]; }
    const std::int32_t* ids() const { return ids_.data(); }
    /// Whether a place differs from the one a stride before, which in the first columns is one of another line.
    const std::uint8_t* changes() const { return changes_.data(); }
    size_t width() const { return static_cast<size_t>(size_[2]); }

  private:
    Triple shape_, before_, size_{};
    size_t stride_;
    Numbers ids_;
    std::vector<std::uint8_t> changes_;
};

/// Matches the windows of one map after another.
class Matcher {
  public:
    Matcher(const Triple& shape, const Stencil& stencil, const Triple& out)
        : stencil_(stencil),
          out_(out),
          padded_(shape, stencil),
          lines_(static_cast<size_t>(stencil.kernel[0] * stencil.kernel[1])),
          changes_(padded_.width()),
          changed_(static_cast<size_t>(out[2])),
          tuple_(volume(stencil.kernel)) {}

    Part operator()(const std::int32_t* ids, std::int32_t* number) {
        padded_.fill(ids);
        Tuples tuples(tuple_.size());
        Part part;
        for (std::int64_t z = 0; z < out_[0]; ++z)
            for (std::int64_t y = 0; y < out_[1]; ++y, number += out_[2]) {
                place(z, y);
                number_line(tuples, part.count, number);
            }
        part.neighbours = std::move(tuples.tuples);
        return part;
    }

  private:
    /// Takes the lines that the windows (z, y) read, and marks the windows that differ from their left neighbour.
    void place(std::int64_t z, std::int64_t y) {
        size_t l = 0;
        for (std::int64_t i = 0; i < stencil_.kernel[0]; ++i)
            for (std::int64_t j = 0; j < stencil_.kernel[1]; ++j)
                lines_[l++] = padded_.at(z * stencil_.stride[0] + i * stencil_.dilation[0],
                                         y * stencil_.stride[1] + j * stencil_.dilation[1]);
        const auto stride = static_cast<size_t>(stencil_.stride[2]), step = static_cast<size_t>(stencil_.dilation[2]),
                   columns = static_cast<size_t>(stencil_.kernel[2]);
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            // sizes are the lambda's own, so that no write of a byte can change them
            const size_t size = changes_.size(), windows = changed_.size();
            std::uint8_t* __restrict changes = changes_.data();
            std::memset(changes, 0, size);
            for (const std::int64_t line : lines_) {
                const std::uint8_t* __restrict from = padded_.changes() + line;
                for (size_t x = 0; x < size; ++x) changes[x] = static_cast<std::uint8_t>(changes[x] | from[x]);
            }
            std::uint8_t* __restrict changed = changed_.data();
            std::memset(changed, 0, windows);
            for (size_t k = 0; k < columns; ++k) {
                const std::uint8_t* __restrict from = changes + k * step;
                if (stride == 1)
                    for (size_t x = 0; x < windows; ++x) changed[x] = static_cast<std::uint8_t>(changed[x] | from[x]);
                else
                    for (size_t x = 0; x < windows; ++x)
                        changed[x] = static_cast<std::uint8_t>(changed[x] | from[x * stride]);
            }
            changed[0] = 1;
        });
    }

    void number_line(Tuples& tuples, Numbers& count, std::int32_t* number) {
        const auto width = changed_.size(), stride = static_cast<size_t>(stencil_.stride[2]);
        const auto step = static_cast<size_t>(stencil_.dilation[2]),
                   columns = static_cast<size_t>(stencil_.kernel[2]);
        for (size_t x = 0; x < width;) {
            std::int32_t* next = tuple_.data();
            for (const std::int64_t line : lines_)
                for (size_t k = 0; k < columns; ++k)
                    *next++ = padded_.ids()[static_cast<size_t>(line) + x * stride + k * step];
            const std::int32_t row = tuples.number(tuple_.data());
            count.resize(tuples.size());
            const auto* end =
                static_cast<const std::uint8_t*>(std::memchr(changed_.data() + x + 1, 1, width - x - 1));
            const size_t stop = end ? static_cast<size_t>(end - changed_.data()) : width;
            std::fill(number + x, number + stop, row);
            count[static_cast<size_t>(row)] += static_cast<std::int32_t>(stop - x);
            x = stop;
        }
    }

    const Stencil& stencil_;
    Triple out_;
    Padded padded_;
    std::vector<std::int64_t> lines_;    ///< where the lines that a line of windows reads begin
    std::vector<std::uint8_t> changes_;  ///< whether a column of these lines differs from the one a stride before
    std::vector<std::uint8_t> changed_;  ///< whether a window differs from the one before
    Numbers tuple_;
};

/// Shape of the maps of windows.
Triple shape_of_windows(const Triple& shape, const Stencil& stencil) {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    Triple out{};
    double places = 1, padded = 1, tuple = 1;
    for (size_t a = 0; a < 3; ++a) {
        const auto text = [a](const char* what, std::int64_t number, const std::string& expected) {
            return std::string("axis ") + std::to_string(a) + ": " + what + " " + std::to_string(number) +
                   ", expected " + expected;
        };
        const auto check = [&](const char* what, std::int64_t number, std::int64_t least) {
            if (number < least || number > most)
                throw std::invalid_argument(text(what, number, std::to_string(least) + " to 2147483647"));
        };
        check("size", shape[a], 1), check("kernel", stencil.kernel[a], 1), check("stride", stencil.stride[a], 1);
        check("dilation", stencil.dilation[a], 1), check("padding before", stencil.before[a], 0);
        check("padding after", stencil.after[a], 0), check("places beyond", stencil.beyond[a], 0);
        const std::int64_t reach = (stencil.kernel[a] - 1) * stencil.dilation[a] + 1;
        const std::int64_t size = shape[a] + stencil.before[a] + stencil.after[a] + stencil.beyond[a];
        if (size < reach)
            throw std::invalid_argument(text("padded size", size, "at least the window's " + std::to_string(reach)));
        out[a] = (size - reach) / stencil.stride[a] + 1;
        places *= static_cast<double>(out[a]), padded *= static_cast<double>(size);
        tuple *= static_cast<double>(stencil.kernel[a]);
    }
    if (std::max({places, padded, tuple}) > static_cast<double>(most))
        throw std::invalid_argument("maps or windows of more than 2147483647 places");
    return out;
}

}  // namespace

DistinctWindows match_windows(const std::int32_t* ids, std::int64_t n, const Triple& shape, const Stencil& stencil,
                              int threads) {
    DistinctWindows windows;
    windows.shape = shape_of_windows(shape, stencil);
    const size_t places = volume(windows.shape), before = volume(shape), maps = static_cast<size_t>(n);
    windows.number.resize(maps * places);
    std::vector<Part> parts(maps);
    // a thread takes several maps, which share the room of a matcher
    const size_t share = std::max<size_t>(1, maps / (4 * static_cast<size_t>(std::max(threads, 1))));
    parallel_for((maps + share - 1) / share, threads, [&](size_t group) {
        Matcher match(shape, stencil, windows.shape);
        for (size_t i = group * share; i < std::min(maps, (group + 1) * share); ++i)
            parts[i] = match(ids + i * before, windows.number.data() + i * places);
    });
    windows.offsets.push_back(0);
    for (const Part& part : parts)
        windows.offsets.push_back(windows.offsets.back() + static_cast<std::int64_t>(part.count.size()));
    if (windows.offsets.back() > std::numeric_limits<std::int32_t>::max())
        throw std::invalid_argument("more than 2147483647 distinct windows, expected smaller batches");
    const size_t rows = static_cast<size_t>(windows.offsets.back()), length = volume(stencil.kernel);
    windows.count.resize(rows);
    windows.neighbours.resize(rows * length);
    parallel_for(maps, threads, [&](size_t i) {
        const auto first = static_cast<size_t>(windows.offsets[i]);
        std::copy(parts[i].count.begin(), parts[i].count.end(), windows.count.begin() + static_cast<long>(first));
        std::copy(parts[i].neighbours.begin(), parts[i].neighbours.end(),
                  windows.neighbours.begin() + static_cast<long>(first * length));
        if (first == 0) return;
        std::int32_t* number = windows.number.data() + i * places;
        for (size_t k = 0; k < places; ++k) number[k] += static_cast<std::int32_t>(first);
    });
    return windows;
}

}  // namespace dmcnn
