#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Edges of n - 1 bins, strictly increasing, n >= 2. Bin k is edges[k] < x <= edges[k + 1] with right_closed, else
/// edges[k] <= x < edges[k + 1]. float32 numbers are compared with the double edges as doubles.
struct Edges {
    const double* edges;
    std::int64_t n;
    bool right_closed;
};

/// Throws std::invalid_argument unless the edges of the axis `name` are at least two and strictly increase.
inline void check_edges(const Edges& axis, const char* name) {
    if (axis.n < 2)
        throw std::invalid_argument(std::to_string(axis.n) + " edges of " + name + ", expected at least 2");
    for (std::int64_t k = 0; k + 1 < axis.n; ++k)
        if (!(axis.edges[k] < axis.edges[k + 1]))
            refuse("edge", k + 1, name, std::to_string(axis.edges[k + 1]),
                   "more than " + std::to_string(axis.edges[k]));
}

/// Returns the number of edges behind x. The search has no branch to mispredict, as times are in any order.
template <class Behind>
std::int64_t count_behind(const Edges& axis, double x, const Behind& behind) {
    const double* base = axis.edges;
    for (std::int64_t left = axis.n; left > 1;) {
        const std::int64_t half = left / 2;
        base += static_cast<std::int64_t>(behind(base[half - 1], x)) * half;
        left -= half;
    }
    return base - axis.edges + behind(*base, x);
}

/// Returns the bin of x: -1 before the first edge, n - 1 behind the last one.
inline std::int64_t bin_of(const Edges& axis, double x) {
    const std::int64_t behind = axis.right_closed ? count_behind(axis, x, std::less<double>())
                                                  : count_behind(axis, x, std::less_equal<double>());
    return behind - 1;
}

}  // namespace dmcnn
