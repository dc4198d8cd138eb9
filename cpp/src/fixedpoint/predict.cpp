#include "dmcnn/predict.hpp"

#include "dmcnn/forward.hpp"

namespace dmcnn {

namespace {

using std::size_t;

/// Prefetches n pixels that will be read soon.
DMCNN_INLINE void prefetch([[maybe_unused]] const float* pixel, [[maybe_unused]] size_t n) {
#if defined(__GNUC__)
    for (size_t i = 0; i < n; i += 16) __builtin_prefetch(pixel + i, 0, 2);
#endif
}

/// Dense frames, (n, channels, height, width).
struct DenseFrames {
    const float* pixels;
    size_t n;

    /// Writes the codes of frame i; returns whether a pixel is NaN.
    template <class Sum>
    DMCNN_INLINE bool quantise_frame(const Tables<Sum>& t, size_t i, Code* codes) {
        constexpr size_t kPart = 512, kAhead = 2048;  // with prefetching, frames of 20 slices take half the time
        const size_t size = t.size();
        bool nan = false;
        for (size_t at = 0; at < size; at += kPart) {
            const float* part = pixels + i * size + at;
            const size_t left = n * size - (i * size + at), here = std::min(kPart, size - at);
            if (left > kAhead + here) prefetch(part + kAhead, here);
            nan |= quantise(part, here, t.input_bits, codes + at);
        }
        return nan;
    }

    void clear(size_t, Code*) const {}  // the next frame overwrites all codes

    template <class Sum>
    bool reads_nan(const Tables<Sum>& t, size_t i) const {
        bool found = false;
        for (size_t at = 0; at < t.size(); ++at) found |= std::isnan(pixels[i * t.size() + at]) && t.reads(at);
        return found;
    }
};

struct SparseFrames {
    const Images& images;
    std::vector<Code> own = {};  ///< codes of the pixels of one frame

    template <class Sum>
    DMCNN_INLINE bool quantise_frame(const Tables<Sum>& t, size_t i, Code* codes) {
        const auto n = static_cast<size_t>(images.offsets[i + 1] - images.offsets[i]);
        const std::int32_t* index = images.index + images.offsets[i];
        if (own.size() < n) own.resize(n);
        const bool nan = quantise(images.value + images.offsets[i], n, t.input_bits, own.data());
        for (size_t k = 0; k < n; ++k) {
            const auto at = static_cast<std::uint32_t>(index[k]);
            if (at >= t.size())
                refuse("image", static_cast<std::int64_t>(i), "index", std::to_string(index[k]),
                       "0 to " + std::to_string(t.size() - 1));
            codes[at] = own[k];
        }
        return nan;
    }

    void clear(size_t i, Code* codes) const {
        for (std::int64_t k = images.offsets[i]; k < images.offsets[i + 1]; ++k)
            codes[static_cast<std::uint32_t>(images.index[k])] = 0;
    }

    template <class Sum>
    bool reads_nan(const Tables<Sum>& t, size_t i) const {
        bool found = false;
        for (std::int64_t k = images.offsets[i]; k < images.offsets[i + 1]; ++k)
            found |= std::isnan(images.value[k]) && t.reads(static_cast<std::uint32_t>(images.index[k]));
        return found;
    }
};

/// Frames begin to end - 1 of a batch.
template <int Bytes, class Sum, class Frames>
DMCNN_INLINE void run(const Tables<Sum>& t, Frames frames, size_t begin, size_t end, float* out) {
    Forward<Sum, Bytes> forward(t);
    const size_t m = t.dense.back().outputs;
    for (size_t i = begin; i < end; ++i) {
        const bool nan = frames.quantise_frame(t, i, forward.codes.data());
        forward(out + i * m);
        if (nan && frames.reads_nan(t, i)) std::fill_n(out + i * m, m, NAN);
        frames.clear(i, forward.codes.data());
    }
}

template <class Sum, class Frames>
void run_anywhere(const Tables<Sum>& t, const Frames& frames, size_t begin, size_t end, float* out) {
    run<16>(t, frames, begin, end, out);
}

#if defined(__GNUC__) && defined(__x86_64__)
template <class Sum, class Frames>
__attribute__((target("avx2"))) void run_avx2(const Tables<Sum>& t, const Frames& frames, size_t begin, size_t end,
                                              float* out) {
    run<32>(t, frames, begin, end, out);  // AVX-512 is no faster for so few lanes
}

bool has_avx2() { return __builtin_cpu_supports("avx2") != 0; }
#else
template <class Sum, class Frames>
void run_avx2(const Tables<Sum>& t, const Frames& frames, size_t begin, size_t end, float* out) {
    run_anywhere(t, frames, begin, end, out);
}

bool has_avx2() { return false; }
#endif

template <class Sum, class Frames>
void run_parts(const Tables<Sum>& t, const Frames& frames, std::int64_t n, int threads, float* out) {
    constexpr size_t kPart = 256;  // frames that share one buffer
    const auto run_part = has_avx2() ? run_avx2<Sum, Frames> : run_anywhere<Sum, Frames>;
    const auto end = static_cast<size_t>(n);
    parallel_for((end + kPart - 1) / kPart, threads,
                 [&](size_t part) { run_part(t, frames, part * kPart, std::min(end, (part + 1) * kPart), out); });
}

std::string text(const Shape& shape) {
    using std::to_string;
    return "(" + to_string(shape.channels) + ", " + to_string(shape.height) + ", " + to_string(shape.width) + ")";
}

}  // namespace

Network::Network(const Layers& layers) : shape_(layers.shape) {
    if (fits<std::int16_t>(layers))
        narrow_ = std::make_shared<const Tables<std::int16_t>>(make_tables<std::int16_t>(layers));
    else
        wide_ = std::make_shared<const Tables<std::int32_t>>(make_tables<std::int32_t>(layers));
    outputs_ = layers.dense.back().outputs;
}

void Network::predict(const Images& frames, int threads, float* out) const {
    if (text(frames.shape) != text(shape_))
        throw std::invalid_argument("frames of shape " + text(frames.shape) + ", expected " + text(shape_));
    check_offsets("image", frames.offsets, frames.n, frames.nnz);
    const SparseFrames sparse{frames};
    narrow_ ? run_parts(*narrow_, sparse, frames.n, threads, out) : run_parts(*wide_, sparse, frames.n, threads, out);
}

void Network::predict(const float* frames, std::int64_t n, int threads, float* out) const {
    const DenseFrames dense{frames, static_cast<size_t>(n)};
    narrow_ ? run_parts(*narrow_, dense, n, threads, out) : run_parts(*wide_, dense, n, threads, out);
}

}  // namespace dmcnn
