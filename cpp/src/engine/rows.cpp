#include "dmcnn/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "dmcnn/cpu.hpp"
#include "dmcnn/lanes.hpp"
#include "dmcnn/parallel.hpp"
#include "dmcnn/sparse.hpp"

namespace dmcnn {

namespace {

using std::size_t;

constexpr std::int64_t kPart = 128;  ///< rows of one task: enough to be worth a thread, few enough to share out

DMCNN_INLINE float widen(float x) { return x; }
DMCNN_INLINE double widen(double x) { return x; }
DMCNN_INLINE float widen(Bf16 x) {
    const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

DMCNN_INLINE void store(float x, float& to) { to = x; }
DMCNN_INLINE void store(double x, double& to) { to = x; }
DMCNN_INLINE void store(float x, Bf16& to) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
    to.bits = static_cast<std::uint16_t>(x != x ? 0x7fc0U : rounded);
}

template <class Number>
using Wide = decltype(widen(Number{}));

/// Asks for a row that will be read soon.
template <class Number>
DMCNN_INLINE void prefetch([[maybe_unused]] const Number* row, [[maybe_unused]] size_t channels) {
#if defined(__GNUC__)
    for (size_t c = 0; c < channels; c += 64 / sizeof(Number)) __builtin_prefetch(row + c, 0, 2);
#endif
}

/// Adds a row of `from` to a row of sums.
template <class From, class Sum>
DMCNN_INLINE void add(const From* __restrict from, size_t channels, Sum* __restrict sum) {
    for (size_t c = 0; c < channels; ++c) sum[c] += widen(from[c]);
}

/// The same for those channels where `which` says k.
template <class From, class Sum>
DMCNN_INLINE void add_where(const From* __restrict from, const std::int32_t* __restrict which, std::int64_t k,
                            size_t channels, Sum* __restrict sum) {
    for (size_t c = 0; c < channels; ++c) sum[c] += which[c] == k ? widen(from[c]) : Sum{};
}

template <class From, class To>
DMCNN_INLINE void copy(const From* __restrict from, size_t channels, To* __restrict to) {
    for (size_t c = 0; c < channels; ++c) store(widen(from[c]), to[c]);
}

std::int64_t parts(std::int64_t n) { return (n + kPart - 1) / kPart; }

template <class From, class To>
void check(const Rows<From>& from, std::int64_t n, std::int64_t length, const Rows<To>& out, std::int64_t m) {
    if (from.channels != out.channels)
        refuse("source", 0, "channels", std::to_string(from.channels), std::to_string(out.channels));
    if (out.n != m) refuse("out", 0, "rows", std::to_string(out.n), std::to_string(m));
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (length < 1 || from.n > most || n > most) throw std::invalid_argument("index without neighbours, or too long");
}

}  // namespace

Listed list_users(const Index& index, std::int64_t rows) {
    const std::int64_t length = index.length, most = std::numeric_limits<std::int32_t>::max();
    if (rows < 0 || length < 1 || rows * length >= most || index.n * length >= most)
        throw std::invalid_argument(std::to_string(rows) + " rows with " + std::to_string(length) +
                                    " neighbours, expected products below 2147483647");
    Listed listed;
    std::vector<std::int32_t>& start = listed.start;
    start.assign(static_cast<size_t>(rows * length) + 2, 0);  // one more, so that filling moves it into place
    const std::int32_t* number = index.number;
    for (std::int64_t j = 0; j < index.n; ++j)
        for (std::int64_t k = 0; k < length; ++k, ++number) {
            if (*number < 0) continue;
            if (*number >= rows)
                refuse("row", j, "neighbour", std::to_string(*number), "at most " + std::to_string(rows - 1));
            ++start[static_cast<size_t>(*number * length + k) + 2];
        }
    for (size_t s = 2; s < start.size(); ++s) start[s] += start[s - 1];
    listed.user.resize(static_cast<size_t>(start.back()));
    number = index.number;
    for (std::int64_t j = 0; j < index.n; ++j)
        for (std::int64_t k = 0; k < length; ++k, ++number)
            if (*number >= 0)
                listed.user[static_cast<size_t>(start[static_cast<size_t>(*number * length + k) + 1]++)] =
                    static_cast<std::int32_t>(j);
    start.pop_back();
    return listed;
}

template <class From, class To>
void gather_rows(const Rows<const From>& source, const Index& index, const To* bias, bool positive, int threads,
                 const Rows<To>& out) {
    const std::int64_t length = index.length;
    const std::int32_t first = index.first;
    check(source, index.n, length, out, index.n);
    const auto channels = static_cast<size_t>(source.channels);
    const auto step = static_cast<size_t>(source.apart ? length : 1) * channels;
    parallel_for(static_cast<size_t>(parts(index.n)), threads, [&](size_t part) {
        const std::int64_t begin = static_cast<std::int64_t>(part) * kPart, end = std::min(index.n, begin + kPart);
        for (std::int64_t i = begin * length; i < end * length; ++i) {
            const std::int32_t number = index.number[i];
            if (number >= 0 && (number < first || number - first >= source.n))
                refuse("row", i / length, "neighbour", std::to_string(number),
                       "negative, or " + std::to_string(first) + " to " + std::to_string(first + source.n - 1));
        }
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            const std::int32_t* number = index.number + begin * length;
            To* to = out.data + static_cast<size_t>(begin * (out.apart ? length : 1)) * channels;
            if (out.apart) {
                for (std::int64_t i = begin * length; i < end * length; ++i, ++number, to += channels) {
                    const size_t shift = source.apart ? static_cast<size_t>(i % length) * channels : 0;
                    if (*number < 0)
                        std::memset(static_cast<void*>(to), 0, channels * sizeof(To));
                    else
                        copy(source.data + static_cast<size_t>(*number - first) * step + shift, channels, to);
                }
                return;
            }
            const size_t shift = source.apart ? channels : 0;
            const auto row = [&](std::int32_t number_of_row, std::int64_t k) DMCNN_INLINE_BODY {
                return source.data + static_cast<size_t>(number_of_row - first) * step +
                       static_cast<size_t>(k) * shift;
            };
            for (std::int64_t j = begin; j < end; ++j, number += length, to += channels) {
                if constexpr (std::is_same_v<To, Wide<To>>) {
                    // rows lie anywhere: asked for in time, sums take two thirds as long
                    if (j + 1 < end)
                        for (std::int64_t k = 0; k < length; ++k)
                            if (number[length + k] >= 0) prefetch(row(number[length + k], k), channels);
                    if (bias)
                        std::memcpy(to, bias, channels * sizeof(To));
                    else
                        std::memset(to, 0, channels * sizeof(To));
                    for (std::int64_t k = 0; k < length; ++k)
                        if (number[k] >= 0) add(row(number[k], k), channels, to);
                    if (positive)
                        for (size_t c = 0; c < channels; ++c) to[c] = to[c] < To{} ? To{} : to[c];  // NaN stays
                }
            }
        });
    });
}

template <class From, class To>
void scatter_rows(const Rows<const From>& source, const Users& users, const std::int32_t* which, int threads,
                  const Rows<To>& out) {
    const std::int64_t length = users.length;
    const std::int32_t first = users.first;
    check(source, users.n, length, out, users.n);
    const auto channels = static_cast<size_t>(source.channels), step = static_cast<size_t>(source.apart ? length : 1);
    parallel_for(static_cast<size_t>(parts(users.n)), threads, [&](size_t part) {
        const std::int64_t begin = static_cast<std::int64_t>(part) * kPart, end = std::min(users.n, begin + kPart);
        for (std::int64_t s = begin * length; s < end * length; ++s) {
            const std::int32_t from = users.start[s], to = users.start[s + 1];
            if (from < 0 || to < from || to > users.users)
                refuse("row", s / length, "users", std::to_string(from) + " to " + std::to_string(to),
                       "increasing positions up to " + std::to_string(users.users));
            for (std::int32_t e = from; e < to; ++e)
                if (users.user[e] < first || users.user[e] - first >= source.n)
                    refuse("row", s / length, "user", std::to_string(users.user[e]),
                           std::to_string(first) + " to " + std::to_string(first + source.n - 1));
        }
        // NOLINTNEXTLINE(misc-const-correctness): written to where sums are wider than what is stored
        std::vector<Wide<To>> sums(std::is_same_v<To, Wide<To>> ? 0 : channels);
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            To* to = out.data + static_cast<size_t>(begin * (out.apart ? length : 1)) * channels;
            // sums of bfloat16 need room of their own
            const auto room = [&]() DMCNN_INLINE_BODY {
                if constexpr (std::is_same_v<To, Wide<To>>)
                    return to;
                else
                    return sums.data();
            };
            const auto add_users = [&](std::int64_t i, std::int64_t k, Wide<To>* sum) DMCNN_INLINE_BODY {
                const std::int32_t* last = users.user + users.start[i * length + k + 1];
                const size_t shift = source.apart ? static_cast<size_t>(k) : 0;
                for (const std::int32_t* user = users.user + users.start[i * length + k]; user != last; ++user) {
                    const From* from = source.data + (static_cast<size_t>(*user - first) * step + shift) * channels;
                    if (which)
                        add_where(from, which + static_cast<size_t>(*user - first) * channels, k, channels, sum);
                    else
                        add(from, channels, sum);
                }
            };
            const auto finish = [&](const Wide<To>* sum) DMCNN_INLINE_BODY {
                if constexpr (!std::is_same_v<To, Wide<To>>) copy(sum, channels, to);
                to += channels;
            };
            for (std::int64_t i = begin; i < end; ++i) {
                if (!out.apart) {
                    Wide<To>* sum = room();
                    std::fill(sum, sum + channels, Wide<To>{});
                    for (std::int64_t k = 0; k < length; ++k) add_users(i, k, sum);
                    finish(sum);
                    continue;
                }
                for (std::int64_t k = 0; k < length; ++k) {
                    const std::int32_t* user = users.user + users.start[i * length + k];
                    const std::int64_t n = users.start[i * length + k + 1] - users.start[i * length + k];
                    if (n == 0 || (n == 1 && !which)) {  // most have one
                        const size_t shift = source.apart ? static_cast<size_t>(k) : 0;
                        if (n == 0)
                            std::memset(static_cast<void*>(to), 0, channels * sizeof(To));
                        else
                            copy(source.data + (static_cast<size_t>(*user - first) * step + shift) * channels,
                                 channels, to);
                        to += channels;
                        continue;
                    }
                    Wide<To>* sum = room();
                    std::fill(sum, sum + channels, Wide<To>{});
                    add_users(i, k, sum);
                    finish(sum);
                }
            }
        });
    });
}

template <class Number>
void max_rows(const Rows<const Number>& source, const Index& index, int threads, const Rows<Number>& out,
              std::int32_t* which) {
    check(source, index.n, index.length, out, index.n);
    const std::int32_t first = index.first;
    const auto channels = static_cast<size_t>(source.channels);
    parallel_for(static_cast<size_t>(parts(index.n)), threads, [&](size_t part) {
        const std::int64_t begin = static_cast<std::int64_t>(part) * kPart, end = std::min(index.n, begin + kPart);
        for (std::int64_t i = begin * index.length; i < end * index.length; ++i)
            if (index.number[i] >= source.n)
                refuse("row", i / index.length, "neighbour", std::to_string(index.number[i]),
                       "at most " + std::to_string(source.n - 1));
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            for (std::int64_t j = begin; j < end; ++j) {
                Number* __restrict to = out.data + static_cast<size_t>(j) * channels;
                std::int32_t* __restrict place = which + static_cast<size_t>(j) * channels;
                std::fill(to, to + channels, -std::numeric_limits<Number>::infinity());
                std::fill(place, place + channels, -1);
                for (std::int64_t k = 0; k < index.length; ++k) {
                    const std::int32_t number = index.number[j * index.length + k];
                    if (number < 0) continue;
                    const Number* __restrict from = source.data + static_cast<size_t>(number - first) * channels;
                    const auto here = static_cast<std::int32_t>(k);
                    for (size_t c = 0; c < channels; ++c) {
                        const bool larger = (from[c] > to[c]) | (from[c] != from[c]) | (place[c] < 0);
                        to[c] = larger ? from[c] : to[c];
                        place[c] = larger ? here : place[c];
                    }
                }
            }
        });
    });
}

#define DMCNN_ROWS(From, To)                                                                                 \
    template void gather_rows(const Rows<const From>&, const Index&, const To*, bool, int, const Rows<To>&); \
    template void scatter_rows(const Rows<const From>&, const Users&, const std::int32_t*, int, const Rows<To>&);
DMCNN_ROWS(float, float)
DMCNN_ROWS(double, double)
DMCNN_ROWS(Bf16, float)
DMCNN_ROWS(float, Bf16)
#undef DMCNN_ROWS
template void max_rows(const Rows<const float>&, const Index&, int, const Rows<float>&, std::int32_t*);
template void max_rows(const Rows<const double>&, const Index&, int, const Rows<double>&, std::int32_t*);

}  // namespace dmcnn
