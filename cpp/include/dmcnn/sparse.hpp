#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dmcnn {

/// Size of a dense image: channels (planes, time frames), height (rows, drift ticks), width (columns, wires).
struct Shape {
    std::int64_t channels, height, width;
};

/// Values below lo [ADC] are dropped, values above hi [ADC] become hi. Either may be infinite.
struct Bounds {
    float lo, hi;
};

/// A batch of n images without zeros. Image i owns index[offsets[i]:offsets[i+1]] and the same slice of value.
struct Sparse {
    std::vector<std::int64_t> offsets;  ///< n + 1
    std::vector<std::int32_t> index;    ///< flat pixel number, row-major in Shape, strictly increasing in an image
    std::vector<float> value;           ///< within Bounds, finite, never zero
    std::vector<std::int64_t> bad;      ///< n: pixels dropped because they were NaN or infinite
    std::vector<std::int64_t> cut;      ///< n: active pixels dropped because they fell outside Shape
};

/// Concatenates batches; `parts` holds at least one, and is empty afterwards.
Sparse join(std::vector<Sparse>& parts);

/// Throws std::invalid_argument: "<place> <number>: <what> <found>, expected <expected>".
[[noreturn]] void refuse(const char* place, std::int64_t number, const char* what, const std::string& found,
                         const std::string& expected);

/// Throws std::invalid_argument unless every size is >= 0 and the pixel numbers of `shape` fit into int32.
void check_shape(const Shape& shape);

/// Returns rows * cols; `refuse`s a negative number, and a product of more than 2^31 - 1 pixels.
std::int64_t count_pixels(const char* place, std::int64_t number, std::int64_t rows, std::int64_t cols);

}  // namespace dmcnn
