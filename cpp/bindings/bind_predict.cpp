#include "dmcnn/predict.hpp"

#include "images.hpp"

namespace {

using Integers = Array<std::int8_t>;
using Tensor = std::pair<Integers, int>;
using Layer = std::tuple<Tensor, Tensor, int>;

dmcnn::Codes codes(const Tensor& tensor, const char* name, const std::vector<py::ssize_t>& shape) {
    expect(tensor.first, name, shape);
    return {tensor.first.data(), tensor.second};
}

dmcnn::Network network(const Size& shape, std::int64_t pool, const Tensor& depthwise, const Tensor& pointwise,
                       const Tensor& bias, const Tensor& conv, const Tensor& conv_bias,
                       const std::vector<Layer>& dense, int input_bits, int act_1_bits, int act_2_bits,
                       int pool_bits) {
    const auto [channels, height, width] = shape;
    expect(depthwise.first, "depthwise", {channels, -1, -1});
    expect(pointwise.first, "pointwise", {-1, channels});
    const py::ssize_t kernel = depthwise.first.shape(1), filters = pointwise.first.shape(0);
    dmcnn::Layers layers{{channels, height, width},
                         kernel,
                         filters,
                         pool,
                         codes(depthwise, "depthwise", {channels, kernel, kernel}),
                         codes(pointwise, "pointwise", {filters, channels}),
                         codes(bias, "bias", {filters}),
                         codes(conv, "conv", {filters, filters}),
                         codes(conv_bias, "conv_bias", {filters}),
                         {},
                         input_bits,
                         act_1_bits,
                         act_2_bits,
                         pool_bits};
    py::ssize_t inputs = layers.inputs();
    for (const auto& [weight, layer_bias, bits] : dense) {
        expect(weight.first, "dense weight", {-1, inputs});
        const py::ssize_t outputs = weight.first.shape(0);
        layers.dense.push_back({codes(weight, "dense weight", {outputs, inputs}),
                                codes(layer_bias, "dense bias", {outputs}), outputs, bits});
        inputs = outputs;
    }
    const py::gil_scoped_release release;
    return dmcnn::Network(layers);
}

Array<float> predict(const dmcnn::Network& net, const Array<std::int64_t>& offsets, const Array<std::int32_t>& index,
                     const Array<float>& value, const Size& shape, int threads) {
    const dmcnn::Images frames = view(offsets, index, value, shape);
    Array<float> out({frames.n, net.outputs()});
    float* outputs = out.mutable_data();
    {
        // The arguments hold references to the arrays, and neither kernel nor network touch any Python object.
        const py::gil_scoped_release release;
        net.predict(frames, threads, outputs);
    }
    return out;
}

Array<float> predict_dense(const dmcnn::Network& net, const Array<float>& frames, int threads) {
    expect(frames, "frames", {-1, net.shape().channels, net.shape().height, net.shape().width});
    const py::ssize_t n = frames.shape(0);
    Array<float> out({n, static_cast<py::ssize_t>(net.outputs())});
    const float* pixels = frames.data();
    float* outputs = out.mutable_data();
    {
        // As in predict.
        const py::gil_scoped_release release;
        net.predict(pixels, n, threads, outputs);
    }
    return out;
}

constexpr const char* kDoc = R"(A quantised network for pixel frames, in integers: every result is exact.

Layers: separable convolution, activation, 1 x 1 convolution, activation, average pooling, dense layers with an
activation after each but the last. Borders are not padded. Numbers of b bits are multiples of 2^(1 - b). Pixels and
means of the pooling are rounded half to even and clipped to -1 and 1 - 2^(1 - b); infinite pixels are clipped too. An
activation is the hard tanh: the same, clipped to -1 + 2^(1 - b) and 1 - 2^(1 - b). Outputs are not rounded but to
float32, which is exact up to 2^24 of their units. If a pixel that is read is NaN, all outputs of its frame are; rows
and columns that the pooling does not reach are not read.

Args:
    shape: (C, H, W) of a frame: time slices, rows, columns; at most 65,536 numbers.
    pool: 1 to 16 [pixels]. Side of the squares that are averaged.
    depthwise, pointwise, bias: int8 integers and their bits, 2 to 8: (C, k, k) with k up to 16, (F, C) with F up to 64,
        (F,). Depthwise and pointwise convolution, and the bias after both.
    conv, conv_bias: the same of the 1 x 1 convolution: (F, F) to and from, (F,).
    dense: of every layer the weight (outputs, inputs) and the bias (outputs,), each with its bits, and the bits of its
        activation, of which the last layer has none. Inputs of the first are (F, pooled rows, pooled columns).
    input_bits, act_1_bits, act_2_bits, pool_bits: 2 to 12, of the pixels, activations and means.

Raises:
    ValueError: the text names what was found and what was expected; also for sums that int32 might not hold.)";

}  // namespace

void bind_predict(py::module_& m) {
    py::class_<dmcnn::Network>(m, "Network", kDoc)
        .def(py::init(&network), py::arg("shape").noconvert(), py::arg("pool").noconvert(),
             py::arg("depthwise").noconvert(), py::arg("pointwise").noconvert(), py::arg("bias").noconvert(),
             py::arg("conv").noconvert(), py::arg("conv_bias").noconvert(), py::arg("dense").noconvert(),
             py::arg("input_bits").noconvert(), py::arg("act_1_bits").noconvert(), py::arg("act_2_bits").noconvert(),
             py::arg("pool_bits").noconvert())
        .def("predict", &predict, py::arg("offsets").noconvert(), py::arg("index").noconvert(),
             py::arg("value").noconvert(), py::arg("shape").noconvert(), py::arg("n_threads").noconvert() = 1,
             R"(Outputs (n, m) float32 of sparse frames.

Args:
    offsets: (n+1,) int64. Frame i owns ``index[offsets[i]:offsets[i+1]]``.
    index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W), in any order; the last one of a place counts.
    value: (nnz,) float32, standardised charge.
    shape: (C, H, W), that of the network.
    n_threads: at most so many work on different frames; the result does not depend on it.

Raises:
    ValueError: the text names the frame, what was found and what was expected.)")
        .def(
            "predict_dense", &predict_dense, py::arg("frames").noconvert(), py::arg("n_threads").noconvert() = 1,
            R"(Outputs (n, m) float32 of dense frames (n, C, H, W) float32, C-contiguous; otherwise as ``predict``.)");
}
