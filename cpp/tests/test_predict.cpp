#include "dmcnn/predict.hpp"

#include <cmath>

#include "check.hpp"
#include "dmcnn/random.hpp"

using dmcnn::Codes;
using dmcnn::Images;
using dmcnn::Layers;
using dmcnn::Network;

namespace {

using Integers = std::vector<std::int8_t>;

/// One slice of 3 x 4 pixels, windows of 2 x 2, squares of 2 x 2: rows 0 to 2 and columns 0 to 2 are read. All numbers
/// have 4 bits, those of the dense layer 8.
struct Small {
    Integers depthwise{4, 0, 0, 4}, pointwise{4}, bias{1}, conv{-8}, conv_bias{0}, dense{64, -128}, dense_bias{3, 0};

    Layers layers() const {
        return {{1, 3, 4},
                2,
                1,
                2,
                {depthwise.data(), 4},
                {pointwise.data(), 4},
                {bias.data(), 4},
                {conv.data(), 4},
                {conv_bias.data(), 4},
                {{{dense.data(), 8}, {dense_bias.data(), 8}, 2, 0}},
                4,
                4,
                4,
                8};
    }
};

std::vector<float> dense(const Network& net, const std::vector<float>& frames) {
    const auto n = static_cast<std::int64_t>(frames.size()) / 12;
    std::vector<float> out(static_cast<std::size_t>(n * net.outputs()), 9.0F);
    net.predict(frames.data(), n, 2, out.data());
    return out;
}

std::vector<float> sparse(const Network& net, const std::vector<std::int64_t>& offsets,
                          const std::vector<std::int32_t>& index, const std::vector<float>& value) {
    const auto n = static_cast<std::int64_t>(offsets.size()) - 1;
    std::vector<float> out(static_cast<std::size_t>(n * net.outputs()), 9.0F);
    const auto nnz = static_cast<std::int64_t>(value.size());
    net.predict(Images{offsets.data(), n, index.data(), value.data(), nnz, {1, 3, 4}}, 2, out.data());
    return out;
}

/// By hand: an empty window has 1/8, so -1/8 after the second activation; so has the mean: code -16 of 128.
/// A pixel of 1/2 in (1, 1) adds 1/2 * 1/4 to windows (0, 0) and (1, 1): 1/4 there, -1/4; the mean is -3/16, code -24.
void gives_what_is_computed_by_hand() {
    const Small small;
    const Network net(small.layers());
    CHECK(net.outputs() == 2 && net.shape().width == 4);
    const std::vector<float> empty{-8.0F / 128 + 3.0F / 128, 16.0F / 128};
    const std::vector<float> hit{-12.0F / 128 + 3.0F / 128, 24.0F / 128};
    CHECK(dense(net, std::vector<float>(12, 0.0F)) == empty);
    CHECK(dense(net, {0, 0, 0, 0, 0, 0.5F, 0, 0, 0, 0, 0, 0}) == hit);
    CHECK(sparse(net, {0, 0}, {}, {}) == empty);
    CHECK(sparse(net, {0, 2, 2}, {5, 3}, {0.5F, 1.0F}) == std::vector<float>({hit[0], hit[1], empty[0], empty[1]}));
    CHECK(sparse(net, {0, 2}, {5, 5}, {-1.0F, 0.5F}) == hit);
    // rounded to a step of 1/8, half to even; infinite ones and others beyond the limits are clipped
    CHECK(sparse(net, {0, 1}, {5}, {0.4375F}) == hit && sparse(net, {0, 1}, {5}, {0.5625F}) == hit);
    CHECK(sparse(net, {0, 1}, {5}, {0.0625F}) == empty && sparse(net, {0, 1}, {5}, {-1e-30F}) == empty);
    CHECK(sparse(net, {0, 1}, {5}, {INFINITY}) == sparse(net, {0, 1}, {5}, {0.875F}));
    CHECK(sparse(net, {0, 1}, {5}, {-INFINITY}) == sparse(net, {0, 1}, {5}, {-1.0F}));
}

void nan_spoils_its_frame() {
    const Small small;
    const Network net(small.layers());
    const std::vector<float> out = sparse(net, {0, 1, 2, 2}, {10, 11}, {NAN, -NAN});
    CHECK(std::isnan(out[0]) && std::isnan(out[1]));
    CHECK(out[2] == out[4] && out[3] == out[5] && out[5] == 0.125F);  // pixel 11 is not read
    std::vector<float> frames(24, 0.0F);
    frames[7] = NAN, frames[12] = NAN;
    const std::vector<float> same = dense(net, frames);
    CHECK(same[1] == 0.125F && std::isnan(same[2]) && std::isnan(same[3]));
}

/// Networks of many sizes, so that the sanitizers see their borders; one frame is full, one empty.
void sparse_and_dense_agree() {
    std::uint64_t word = 0;
    const dmcnn::Stream random(1, 2);
    const auto number = [&](std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(random.uniform(word++) * static_cast<double>(most - least + 1));
    };
    std::vector<Integers> kept;
    kept.reserve(1000);
    const auto codes = [&](std::int64_t n, int bits) {
        Integers all(static_cast<std::size_t>(n));
        for (std::int8_t& one : all)
            one = static_cast<std::int8_t>(number(-(1 << (bits - 1)), (1 << (bits - 1)) - 1));
        kept.push_back(all);
        return Codes{kept.back().data(), bits};
    };
    for (int round = 0; round < 60; ++round) {
        kept.clear();
        const std::int64_t k = number(1, 5), f = number(1, 20), p = number(1, 4), c = number(1, 4);
        const int few = round % 2 ? 4 : 8;
        Layers l{{c, number(0, 7) + k + p - 1, number(0, 9) + k + p - 1},
                 k,
                 f,
                 p,
                 codes(c * k * k, few),
                 codes(f * c, few),
                 codes(f, few),
                 codes(f * f, few),
                 codes(f, few),
                 {},
                 few,
                 few,
                 few,
                 8};
        const std::int64_t units = number(1, 20), outputs = number(1, 33);
        l.dense = {{codes(units * l.inputs(), 8), codes(units, 8), units, 8},
                   {codes(outputs * units, 8), codes(outputs, 8), outputs, 0}};
        const Network net(l);
        const std::int64_t size = c * l.shape.height * l.shape.width;
        std::vector<float> frames(static_cast<std::size_t>(3 * size), 0.0F);
        std::vector<std::int32_t> index;
        std::vector<float> value;
        std::vector<std::int64_t> offsets{0};
        for (std::int64_t i = 0; i < 3; ++i) {
            for (std::int64_t at = 0; at < size; ++at) {
                if (i == 1 || (i == 2 && number(0, 4) > 0)) continue;
                const auto pixel = static_cast<float>(number(-40, 40)) / 32;
                frames[static_cast<std::size_t>(i * size + at)] = pixel;
                index.push_back(static_cast<std::int32_t>(at));
                value.push_back(pixel);
            }
            offsets.push_back(static_cast<std::int64_t>(index.size()));
        }
        std::vector<float> one(static_cast<std::size_t>(3 * outputs)), other(one.size(), 9.0F);
        net.predict(frames.data(), 3, 1, one.data());
        net.predict(Images{offsets.data(), 3, index.data(), value.data(), offsets[3], l.shape}, 2, other.data());
        CHECK(one == other);
    }
}

void refuses_layers() {
    const auto call = [](const char* said, auto change) {
        Small small;
        Layers layers = small.layers();
        change(layers);
        return refused(said, [&] { Network{layers}; });
    };
    CHECK(call("kernel 17", [](Layers& l) { l.kernel = 17; }));
    CHECK(call("filters 65", [](Layers& l) { l.filters = 65; }));
    CHECK(call("filters 0", [](Layers& l) { l.filters = 0; }));
    CHECK(call("pool -1", [](Layers& l) { l.pool = -1; }));
    CHECK(call("height 3, expected 4", [](Layers& l) { l.kernel = 3; }));
    CHECK(call("channels 0", [](Layers& l) { l.shape.channels = 0; }));
    CHECK(call("shape", [](Layers& l) { l.shape.width = INT64_MAX; }));
    CHECK(call("numbers in a frame", [](Layers& l) { l.shape.width = 65536; }));
    CHECK(call("conv bits 40", [](Layers& l) { l.conv.bits = 40; }));
    CHECK(call("conv 0: integer -8, expected -4 to 3", [](Layers& l) { l.conv.bits = 3; }));
    CHECK(call("input bits 0", [](Layers& l) { l.input_bits = 0; }));
    CHECK(call("no dense layer", [](Layers& l) { l.dense.clear(); }));
    CHECK(call("dense outputs 5000", [](Layers& l) { l.dense[0].outputs = 5000; }));
    CHECK(call("dense activation bits 0", [](Layers& l) { l.dense.push_back(l.dense[0]); }));
}

void refuses_frames() {
    const Small small;
    const Network net(small.layers());
    CHECK(refused("image 1: index 12, expected 0 to 11", [&] { sparse(net, {0, 1, 2}, {0, 12}, {1, 1}); }));
    CHECK(refused("image 0: index -1", [&] { sparse(net, {0, 1}, {-1}, {1}); }));
    CHECK(refused("image 0: offsets 0 to 3", [&] { sparse(net, {0, 3, 1}, {0}, {1}); }));
    CHECK(refused("offset 0", [&] { sparse(net, {1, 1}, {0}, {1}); }));
    const std::int64_t offsets[1] = {0};
    const Images other{offsets, 0, nullptr, nullptr, 0, {1, 4, 3}};
    CHECK(refused("shape (1, 4, 3)", [&] { net.predict(other, 1, nullptr); }));
}

}  // namespace

int main() {
    gives_what_is_computed_by_hand();
    nan_spoils_its_frame();
    sparse_and_dense_agree();
    refuses_layers();
    refuses_frames();
    return failures != 0;
}
