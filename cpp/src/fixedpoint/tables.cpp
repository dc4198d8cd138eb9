#include "dmcnn/tables.hpp"

#include <cstdlib>

namespace dmcnn {

namespace {

using std::size_t;
using std::to_string;

void check(const std::string& what, std::int64_t found, std::int64_t least, std::int64_t most) {
    if (found < least || found > most)
        throw std::invalid_argument(what + " " + to_string(found) + ", expected " + to_string(least) + " to " +
                                    to_string(most));
}

void check(const char* what, const Codes& codes, std::int64_t n) {
    check(what + std::string(" bits"), codes.bits, 2, 8);
    const int end = 1 << (codes.bits - 1);
    for (std::int64_t i = 0; i < n; ++i)
        if (codes.data[i] < -end || codes.data[i] >= end)
            refuse(what, i, "integer", to_string(codes.data[i]), to_string(-end) + " to " + to_string(end - 1));
}

void check_sizes(const Layers& l) {
    constexpr std::int64_t most = 1 << 16;
    check_shape(l.shape);
    check("channels", l.shape.channels, 1, most);
    check("kernel", l.kernel, 1, 16);
    check("filters", l.filters, 1, 64);
    check("pool", l.pool, 1, 16);
    check("height", l.shape.height, l.kernel + l.pool - 1, most);
    check("width", l.shape.width, l.kernel + l.pool - 1, most);
    check("numbers in a frame", l.shape.channels * l.shape.height * l.shape.width, 1, most);
}

void check(const Layers& l) {
    check("input bits", l.input_bits, 2, 12);
    check("act_1 bits", l.act_1_bits, 2, 12);
    check("act_2 bits", l.act_2_bits, 2, 12);
    check("pool bits", l.pool_bits, 2, 12);
    check("depthwise", l.depthwise, l.shape.channels * l.kernel * l.kernel);
    check("pointwise", l.pointwise, l.filters * l.shape.channels);
    check("bias", l.bias, l.filters);
    check("conv", l.conv, l.filters * l.filters);
    check("conv_bias", l.conv_bias, l.filters);
    if (l.dense.empty()) throw std::invalid_argument("no dense layer, expected at least one");
    std::int64_t inputs = l.inputs();
    for (const Dense& layer : l.dense) {
        check("dense outputs", layer.outputs, 1, 4096);
        check("dense weight", layer.weight, layer.outputs * inputs);
        check("dense bias", layer.bias, layer.outputs);
        if (&layer != &l.dense.back()) check("dense activation bits", layer.bits, 2, 12);
        inputs = layer.outputs;
    }
}

size_t padded(size_t n, size_t to) { return (n + to - 1) / to * to; }

/// Returns the largest integer of an activation, and the largest absolute value of other numbers, of so many bits.
constexpr int top(int bits) { return (1 << (bits - 1)) - 1; }
constexpr int reach(int bits) { return 1 << (bits - 1); }

/// Integers of a layer whose weights, biases and sums have one unit, 2^-places.
struct Matrix {
    size_t outputs, inputs;
    std::vector<std::int64_t> weight;  ///< (outputs, inputs)
    std::vector<std::int64_t> bias;
    int places;  ///< at least one more than those of the activation
    Rounding activation;

    /// `before`: places of a weight times an input. `bits`: of the activation, 0 for none.
    Matrix(std::vector<std::int64_t> weights, int before, const Codes& biases, std::int64_t n, int bits)
        : outputs(static_cast<size_t>(n)),
          inputs(weights.size() / outputs),
          weight(std::move(weights)),
          bias(biases.data, biases.data + n),
          places(std::max({before, biases.bits - 1, bits})) {
        for (std::int64_t& w : weight) w *= std::int64_t{1} << (places - before);
        for (std::int64_t& b : bias) b *= std::int64_t{1} << (places - biases.bits + 1);
        if (bits > 0) activation = {places - bits + 1, top(bits)};
    }

    /// No sum on the way is larger than this, rounding included, if no input is larger than `most`.
    std::int64_t bound(std::int64_t most) const {
        std::int64_t worst = 0;
        for (size_t o = 0; o < outputs; ++o) {
            std::int64_t sum = std::abs(bias[o]) + (std::int64_t{1} << activation.shift);
            for (size_t i = 0; i < inputs; ++i) sum += std::abs(weight[o * inputs + i]) * most;
            worst = std::max(worst, sum);
        }
        return worst;
    }
};

/// Depthwise and pointwise convolution in one; inputs are (channels, kernel, kernel).
Matrix separable(const Layers& l) {
    const std::int64_t area = l.kernel * l.kernel, channels = l.shape.channels;
    std::vector<std::int64_t> weight;
    for (std::int64_t f = 0; f < l.filters; ++f)
        for (std::int64_t i = 0; i < channels * area; ++i)
            weight.push_back(l.depthwise.data[i] * l.pointwise.data[f * channels + i / area]);
    const int before = l.input_bits + l.depthwise.bits + l.pointwise.bits - 3;
    return {std::move(weight), before, l.bias, l.filters, l.act_1_bits};
}

Matrix mixing(const Layers& l) {
    return {{l.conv.data, l.conv.data + l.filters * l.filters},
            l.act_1_bits + l.conv.bits - 2,
            l.conv_bias,
            l.filters,
            l.act_2_bits};
}

/// Returns a / b rounded half to even; b > 0.
std::int64_t divide(std::int64_t a, std::int64_t b) {
    const std::int64_t below = a / b - (a % b < 0), twice = 2 * (a - below * b);
    return below + (twice > b || (twice == b && below % 2 != 0));
}

template <class Sum>
void set_sizes(const Layers& l, Tables<Sum>& t) {
    t.channels = static_cast<size_t>(l.shape.channels);
    t.height = static_cast<size_t>(l.shape.height);
    t.width = static_cast<size_t>(l.shape.width);
    t.kernel = static_cast<size_t>(l.kernel);
    t.filters = static_cast<size_t>(l.filters);
    t.pool = static_cast<size_t>(l.pool);
    t.rows = (t.height - t.kernel + 1) / t.pool;
    t.cols = (t.width - t.kernel + 1) / t.pool;
    t.pitch = (t.cols * t.pool + 2 * t.kernel - 2) * t.filters;
    t.maps = padded(t.filters, kMaps);
    t.input_bits = l.input_bits;
    for (size_t y = 0; y < t.height; ++y)
        for (size_t x = 0; x < t.width; ++x)
            t.pixel.push_back({static_cast<std::uint32_t>(y), static_cast<std::uint32_t>(x),
                               static_cast<std::uint32_t>(y * t.pitch + x * t.filters)});
    t.read.resize(padded(t.height * t.width, kLanes));
    for (size_t y = 0; y < t.rows * t.pool + t.kernel - 1; ++y)
        std::fill_n(t.read.data() + y * t.width, t.cols * t.pool + t.kernel - 1, std::int16_t{-1});
}

template <class Sum>
void set_separable(const Matrix& from, Tables<Sum>& t) {
    const size_t k = t.kernel, in_row = padded(k * t.filters, kLanes) / kLanes;
    for (size_t row = 0; row < k; ++row)
        for (size_t s = 0; s < in_row; ++s) t.strip.push_back(row * t.pitch + s * kLanes);
    while (t.strip.size() % kStrips != 0)  // of zeros, in the row below, so that it overlaps none of the others
        t.strip.push_back(k * t.pitch + t.strip.size() % kStrips * kLanes);
    t.weight.resize(t.strip.size() * t.channels * kLanes);
    for (size_t f = 0; f < t.filters; ++f)
        for (size_t c = 0; c < t.channels; ++c)
            for (size_t i = 0; i < k; ++i)
                for (size_t j = 0; j < k; ++j) {
                    const size_t lane = (k - 1 - j) * t.filters + f;  // a pixel sees the kernel mirrored
                    const size_t strip = (k - 1 - i) * in_row + lane / kLanes;
                    const size_t place = (strip / kStrips * t.channels + c) * kStrips + strip % kStrips;
                    t.weight[place * kLanes + lane % kLanes] =
                        static_cast<Sum>(from.weight[((f * t.channels + c) * k + i) * k + j]);
                }
    t.start.resize((t.rows * t.pool + 2 * k - 1) * t.pitch + kStrips * kLanes);
    for (size_t i = 0; i < t.start.size(); ++i) t.start[i] = static_cast<Sum>(from.bias[i % t.filters]);
    t.act_1 = from.activation;
}

template <class Sum>
void set_mixing(const Matrix& from, Tables<Sum>& t) {
    t.conv.resize(t.maps * t.filters);
    t.conv_bias.resize(t.maps);
    t.empty.resize(t.maps);
    t.act_2 = from.activation;
    for (size_t o = 0; o < t.filters; ++o) {
        std::int64_t sum = from.bias[o];
        t.conv_bias[o] = static_cast<Sum>(sum);
        for (size_t f = 0; f < t.filters; ++f) {
            const std::int64_t weight = from.weight[o * t.filters + f];
            t.conv[(o / kMaps * t.filters + f) * kMaps + o % kMaps] = static_cast<Sum>(weight);
            sum += weight * t.act_1(t.start[f]);
        }
        t.empty[o] = static_cast<Sum>(t.act_2(sum));
    }
}

template <class Sum>
void set_pool(int input_bits, int bits, Tables<Sum>& t) {
    const auto area = static_cast<int>(t.pool * t.pool), most = area * t.act_2.most;
    for (std::int64_t sum = -most; sum <= most; ++sum) {
        const std::int64_t mean = divide(sum * reach(bits), area * reach(input_bits));
        t.mean.push_back(static_cast<std::int16_t>(std::clamp<std::int64_t>(mean, -reach(bits), top(bits))));
    }
    for (size_t cell = 0; cell < t.cols; ++cell)
        for (const Sum code : t.empty) t.empty_row.push_back(static_cast<Sum>(code * area));
    for (size_t f = 0; f < t.filters; ++f) t.empty_mean.push_back(t.mean[static_cast<size_t>(t.empty_row[f] + most)]);
}

DenseTable dense_table(const Matrix& from, std::int64_t most) {
    const std::int64_t bound = from.bound(most);
    if (bound > std::numeric_limits<std::int32_t>::max())
        throw std::invalid_argument("sums of a dense layer of " + to_string(from.inputs) + " inputs up to " +
                                    to_string(bound) + ", expected at most 2147483647");
    DenseTable made{from.inputs, from.outputs, padded(from.outputs, kLanes), {}, {}, from.activation};
    made.weight.resize(made.inputs * made.lanes);
    made.bias.resize(made.lanes);
    for (size_t o = 0; o < made.outputs; ++o) {
        made.bias[o] = static_cast<std::int32_t>(from.bias[o]);
        for (size_t i = 0; i < made.inputs; ++i)
            made.weight[i * made.lanes + o] = static_cast<std::int32_t>(from.weight[o * made.inputs + i]);
    }
    return made;
}

/// Reorders inputs from (filters, cells) to (cells, filters), as differences to the means of empty squares.
template <class Sum>
void set_first(DenseTable& first, const Tables<Sum>& t) {
    const std::vector<std::int32_t> weight = first.weight;
    const size_t cells = t.rows * t.cols, lanes = first.lanes;
    for (size_t f = 0; f < t.filters; ++f)
        for (size_t cell = 0; cell < cells; ++cell)
            for (size_t o = 0; o < lanes; ++o) {
                const std::int32_t w = weight[(f * cells + cell) * lanes + o];
                first.weight[(cell * t.filters + f) * lanes + o] = w;
                first.bias[o] += w * t.empty_mean[f];
            }
}

}  // namespace

std::int64_t Layers::inputs() const {
    check_sizes(*this);
    return filters * ((shape.height - kernel + 1) / pool) * ((shape.width - kernel + 1) / pool);
}

template <class Sum>
bool fits(const Layers& l) {
    check_sizes(l);
    check(l);
    const std::int64_t largest = std::max({separable(l).bound(reach(l.input_bits)),
                                           mixing(l).bound(top(l.act_1_bits)), l.pool * l.pool * top(l.act_2_bits)});
    return largest <= std::numeric_limits<Sum>::max();
}

template <class Sum>
Tables<Sum> make_tables(const Layers& l) {
    if (!fits<Sum>(l)) throw std::invalid_argument("sums of a convolution beyond 2147483647, expected smaller ones");
    Tables<Sum> t{};
    set_sizes(l, t);
    set_separable(separable(l), t);
    set_mixing(mixing(l), t);
    set_pool(l.act_2_bits, l.pool_bits, t);
    std::int64_t inputs = l.inputs();
    int bits = l.pool_bits, most = reach(bits), places = 0;
    for (const Dense& layer : l.dense) {
        const bool last = &layer == &l.dense.back();
        const Matrix matrix({layer.weight.data, layer.weight.data + layer.outputs * inputs},
                            bits + layer.weight.bits - 2, layer.bias, layer.outputs, last ? 0 : layer.bits);
        t.dense.push_back(dense_table(matrix, most));
        inputs = layer.outputs, places = matrix.places;
        if (!last) bits = layer.bits, most = top(bits);
    }
    set_first(t.dense.front(), t);
    t.unit = 1.0F / static_cast<float>(1 << places);
    return t;
}

template bool fits<std::int16_t>(const Layers&);
template bool fits<std::int32_t>(const Layers&);
template Tables<std::int16_t> make_tables(const Layers&);
template Tables<std::int32_t> make_tables(const Layers&);

}  // namespace dmcnn
