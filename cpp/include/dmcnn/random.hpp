// Counter-based random numbers: each depends on seed, key and its own number alone.
#pragma once

#include <cstdint>

namespace dmcnn {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

/// The output function of splitmix64 (Steele, Lea and Flood, OOPSLA 2014), with Vigna's constants.
inline std::uint64_t mix(std::uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
}

/// The splitmix64 generator of `seed` and `key`, with start mix(mix(seed + golden) ^ key).
class Stream {
  public:
    Stream(std::uint64_t seed, std::uint64_t key) : start_(mix(mix(seed + kGolden) ^ key)) {}

    /// Returns output number 0, 1, … of the generator: mix(start + (number + 1) * golden), all modulo 2^64.
    std::uint64_t word(std::uint64_t number) const { return mix(start_ + (number + 1) * kGolden); }

    /// Returns a uniform number in [0, 1): the 53 leading bits of a word, times 2^-53.
    double uniform(std::uint64_t number) const { return static_cast<double>(word(number) >> 11) * 0x1p-53; }

    /// Returns a number close to the normal distribution (mean 0, variance 1 - 2^-32, kurtosis 2.9, |z| < 6): the sum
    /// of the twelve 16-bit parts of the words number … number + 2, less its mean 393210, over 65536. It is exact and
    /// so the same on every machine.
    double normal(std::uint64_t number) const {
        std::int64_t sum = 0;
        for (std::uint64_t w = 0; w < 3; ++w)
            for (std::uint64_t bits = word(number + w); bits != 0; bits >>= 16)
                sum += static_cast<std::int64_t>(bits & 0xffff);
        return static_cast<double>(sum - 393210) * 0x1p-16;
    }

  private:
    std::uint64_t start_;
};

}  // namespace dmcnn
