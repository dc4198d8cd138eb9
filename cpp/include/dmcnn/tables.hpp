// What the loops of predict.cpp read, made of Layers.
#pragma once

#include "dmcnn/lanes.hpp"
#include "dmcnn/predict.hpp"

namespace dmcnn {

constexpr std::size_t kLanes = 16;  ///< numbers that are worked on at once
constexpr std::size_t kMaps = 8;    ///< the same for maps, which are few
constexpr std::size_t kStrips = 3;  ///< strips of lanes that a pixel is added to at once

struct Pixel {
    std::uint32_t row, col;
    std::uint32_t first;  ///< of the sums that it adds to
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
    std::vector<std::size_t> strip;  ///< where the strips of a pixel begin, from its first number on
    std::vector<Sum> weight;  ///< (strips / kStrips, channels, kStrips, kLanes)
    std::vector<Sum> start;  ///< the sums of an empty frame
    Rounding act_1;
    std::vector<Sum> conv;  ///< (maps / kMaps, filters, kMaps)
    std::vector<Sum> conv_bias;  ///< (maps)
    Rounding act_2;
    std::vector<Sum> empty;  ///< (maps) what an empty window gives
    std::vector<Sum> empty_row;  ///< (cols, maps) sums over squares of empty windows
    std::vector<std::int16_t> mean;  ///< codes of the means, by sum + pool^2 * act_2.most
    std::vector<std::int16_t> empty_mean;  ///< (filters) those of empty squares
    std::vector<DenseTable> dense;  ///< the first takes (rows, cols, filters) means less empty_mean
    float unit;  ///< of the outputs
};

/// Whether Sum is wide enough for all sums of the convolutions. std::invalid_argument if a number is out of range.
template <class Sum>
bool fits(const Layers& layers);

template <class Sum>
Tables<Sum> make_tables(const Layers& layers);

}  // namespace dmcnn
