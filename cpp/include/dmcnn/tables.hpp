// Tables for the loops of predict.cpp, computed from Layers.
#pragma once

#include "dmcnn/lanes.hpp"
#include "dmcnn/predict.hpp"

namespace dmcnn {

constexpr std::size_t kLanes = 16;  ///< numbers per vector operation
constexpr std::size_t kMaps = 8;    ///< maps per vector operation
constexpr std::size_t kStrips = 3;  ///< strips of lanes to which a pixel is added at once

struct Pixel {
    std::uint32_t row, col;
    std::uint32_t first;  ///< number of the first sum to which it adds
};

struct DenseTable {
    std::size_t inputs, outputs;
    std::size_t lanes;                 ///< outputs, padded to kLanes
    std::vector<std::int32_t> weight;  ///< (inputs, lanes)
    std::vector<std::int32_t> bias;    ///< (lanes)
    Rounding activation;
};

/// Sums of the first convolution lie as (rows, columns, filters), with kernel - 1 rows and columns more on every side:
/// a pixel (y, x) adds kernel * filters numbers to each of the rows y to y + kernel - 1 there, from column x on. These
/// numbers are cut into strips of kLanes, of which a pixel adds to kStrips at once; where the zeros at the end of one
/// reach into the next, that one is written later.
template <class Sum>
struct Tables {
    std::size_t channels, height, width;  ///< of a frame
    std::size_t kernel, filters, pool;
    std::size_t rows, cols;  ///< of the pooled maps
    std::size_t pitch;       ///< numbers in a row of sums
    std::size_t maps;        ///< filters, padded to kMaps
    int input_bits;

    std::size_t size() const { return channels * height * width; }
    bool reads(std::size_t number) const { return read[number % (height * width)] != 0; }

    std::vector<Pixel> pixel;            ///< (height * width)
    std::vector<std::int16_t> read;  ///< (height * width), padded to kLanes: -1 for pixels that are read, else 0
    std::vector<std::size_t> strip;  ///< offset of each strip of a pixel from its first sum
    std::vector<Sum> weight;  ///< (strips / kStrips, channels, kStrips, kLanes)
    std::vector<Sum> start;  ///< sums of an empty frame
    Rounding act_1;
    std::vector<Sum> conv;  ///< (maps / kMaps, filters, kMaps)
    std::vector<Sum> conv_bias;  ///< (maps)
    Rounding act_2;
    std::vector<Sum> empty;  ///< (maps) contribution of an empty window
    std::vector<Sum> empty_row;  ///< (cols, maps) sums over squares of empty windows
    std::vector<std::int16_t> mean;  ///< codes of the means, by sum + pool^2 * act_2.most
    std::vector<std::int16_t> empty_mean;  ///< (filters) codes of the means of empty squares
    std::vector<DenseTable> dense;  ///< the first takes (rows, cols, filters) means less empty_mean
    float unit;  ///< unit of the outputs
};

/// Returns whether Sum holds all sums of the convolutions. std::invalid_argument if a number is out of range.
template <class Sum>
bool fits(const Layers& layers);

template <class Sum>
Tables<Sum> make_tables(const Layers& layers);

}  // namespace dmcnn
