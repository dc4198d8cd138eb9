// Channels from outermost to innermost and back.
#pragma once

#include <cstdint>

namespace dmcnn {

/// out[i][c][r] = in[i][r][c] for n tables of `rows` x `columns`.
///
/// Blocks are worked on in parallel; in and out must not overlap.
template <class Number>
void swap_axes(const Number* in, std::int64_t n, std::int64_t rows, std::int64_t columns, int threads, Number* out);

}  // namespace dmcnn
