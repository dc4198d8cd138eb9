// Rows of feature maps: each holds the channels of all places of a map that look alike.
#pragma once

#include <cstdint>
#include <vector>

namespace dmcnn {

/// The bits of a bfloat16.
struct Bf16 {
    std::uint16_t bits;
};

/// `length` numbers of rows before for each of n rows; a negative one stands for no row (zeros).
struct Index {
    const std::int32_t* number;  ///< (n, length)
    std::int64_t n, length;
    std::int32_t first = 0;  ///< number of the first row in memory
};

/// The same links from the other side: row i is the neighbour k of the rows user[start[i * length + k]] and following.
struct Users {
    const std::int32_t* start;  ///< (n * length + 1)
    std::int64_t n, length;
    const std::int32_t* user;
    std::int64_t users;      ///< how many numbers there are in `user`
    std::int32_t first = 0;  ///< number of the first user in memory
};

/// Rows of `channels` numbers. Either one per row of a map, or `apart`: one per row and neighbour.
template <class Number>
struct Rows {
    Number* data;
    std::int64_t n, channels;
    bool apart;
};

/// Links from the other side: start (rows * length + 1) and user, which lists the users of a row and neighbour in order.
struct Listed {
    std::vector<std::int32_t> start, user;
};
Listed list_users(const Index& index, std::int64_t rows);

/// out[j] = sum over k of source[index[j, k]], then + bias, then the positive part.
///
/// If `source` is apart, the summand is its row (index[j, k], k); if `out` is, nothing is summed and its row is (j, k).
/// `bias` (channels) or nullptr. Rows are worked on in parallel; the result does not depend on the threads.
template <class From, class To>
void gather_rows(const Rows<const From>& source, const Index& index, const To* bias, bool positive, int threads,
                 const Rows<To>& out);

/// out[i] = sum over k and over the users j of (i, k) of source[j].
///
/// If `source` is apart, the summand is its row (j, k); if `out` is, the sums of different k stay apart.
/// `which` (source.n, channels) or nullptr: a channel of j is added only for the k that stands there.
template <class From, class To>
void scatter_rows(const Rows<const From>& source, const Users& users, const std::int32_t* which, int threads,
                  const Rows<To>& out);

/// out[j] = maximum over k of source[index[j, k]], and in `which` (as out) the first k that has it; NaN is the largest.
/// A row without neighbours is -infinity, and its k is -1.
template <class Number>
void max_rows(const Rows<const Number>& source, const Index& index, int threads, const Rows<Number>& out,
              std::int32_t* which);

}  // namespace dmcnn
