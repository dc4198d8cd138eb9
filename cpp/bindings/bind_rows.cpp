#include <optional>

#include "bind.hpp"
#include "dmcnn/rows.hpp"

namespace {

using Ints = Array<std::int32_t>;

/// Arrays of a kernel's numbers: NumPy has no bfloat16, whose bits travel as uint16.
template <class Number>
using Numbers = Array<std::conditional_t<std::is_same_v<Number, dmcnn::Bf16>, std::uint16_t, Number>>;

dmcnn::Index view(const Ints& index, std::int32_t first = 0) {
    expect(index, "index", {-1, -1});
    return {index.data(), index.shape(0), index.shape(1), first};
}

/// (n, channels) or, apart, (n, length, channels).
template <class Number>
dmcnn::Rows<const Number> view(const Numbers<Number>& rows, const char* name, py::ssize_t length) {
    const bool apart = rows.ndim() == 3;
    apart ? expect(rows, name, {-1, length, -1}) : expect(rows, name, {-1, -1});
    return {reinterpret_cast<const Number*>(rows.data()), rows.shape(0), rows.shape(rows.ndim() - 1), apart};
}

template <class Number>
dmcnn::Rows<Number> view_out(Numbers<Number>& rows, py::ssize_t length) {
    const auto shape = view<Number>(rows, "out", length);
    return {reinterpret_cast<Number*>(rows.mutable_data()), shape.n, shape.channels, shape.apart};
}

std::tuple<Ints, Ints> list_users(const Ints& index, std::int64_t rows) {
    const dmcnn::Index links = view(index);
    dmcnn::Listed listed;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object; so below.
        const py::gil_scoped_release release;
        listed = dmcnn::list_users(links, rows);
    }
    return {as_array(listed.start), as_array(listed.user)};
}

template <class From, class To>
void gather_rows(const Numbers<From>& source, const Ints& index, Numbers<To>& out,
                 const std::optional<Numbers<To>>& bias, bool positive, std::int32_t first, int threads) {
    const dmcnn::Index links = view(index, first);
    const auto from = view<From>(source, "source", links.length);
    const auto to = view_out<To>(out, links.length);
    if (bias) expect(*bias, "bias", {to.channels});
    if (to.apart && (bias || positive)) throw py::value_error("bias or positive part, expected only of sums");
    if (!to.apart && sizeof(To) == sizeof(dmcnn::Bf16)) throw py::value_error("sums in bfloat16, expected float32");
    const To* add = bias ? reinterpret_cast<const To*>(bias->data()) : nullptr;
    const py::gil_scoped_release release;
    dmcnn::gather_rows<From, To>(from, links, add, positive, threads, to);
}

template <class From, class To>
void scatter_rows(const Numbers<From>& source, const Ints& start, const Ints& user, Numbers<To>& out,
                  const std::optional<Ints>& which, std::int32_t first, int threads) {
    expect(start, "start", {-1}), expect(user, "user", {-1});
    const py::ssize_t n = out.ndim() > 0 ? out.shape(0) : 0, segments = start.size() - 1;
    if (segments < 0 || (n ? segments % n : segments))
        throw py::value_error("start has shape (" + std::to_string(start.size()) + "), expected " +
                              std::to_string(n) + " times the neighbours + 1");
    const py::ssize_t length = n ? segments / n : out.ndim() == 3 ? out.shape(1) : 1;
    const auto from = view<From>(source, "source", length);
    const auto to = view_out<To>(out, length);
    if (which) expect(*which, "which", {from.n, from.channels});
    const dmcnn::Users users{start.data(), n, length, user.data(), user.size(), first};
    const std::int32_t* only = which ? which->data() : nullptr;
    const py::gil_scoped_release release;
    dmcnn::scatter_rows<From, To>(from, users, only, threads, to);
}

template <class Number>
Ints max_rows(const Numbers<Number>& source, const Ints& index, Numbers<Number>& out, int threads) {
    const dmcnn::Index links = view(index);
    const auto from = view<Number>(source, "source", links.length);
    const auto to = view_out<Number>(out, links.length);
    if (from.apart || to.apart) throw py::value_error("source or out has 3 axes, expected 2");
    Ints which({to.n, to.channels});
    std::int32_t* place = which.mutable_data();
    const py::gil_scoped_release release;
    dmcnn::max_rows<Number>(from, links, threads, to, place);
    return which;
}

constexpr const char* kUsersDoc = R"(List the rows that use each row, for every place in their windows.

Args:
    index: (n, k) int32, numbers of rows, or negative for none.
    rows: how many rows there are.

Returns:
    (rows * k + 1,) int32: the users of row i at place k are ``user[start[i * k_max + k]:start[i * k_max + k + 1]]``.
    (links,) int32: the users, in increasing order for each row and place.

Raises:
    ValueError: the text names the row, what was found and what was expected.)";

constexpr const char* kGatherDoc = R"(Sum the rows of each window: out[j] = sum over k of source[index[j, k]].

Args:
    source: (rows, C) float32 or float64, or uint16 for the bits of bfloat16 (out is then float32). If it is
        (rows, k, C), the place k in the window takes ``source[index[j, k], k]``.
    index: (n, k) int32, numbers of rows, or negative for none (zeros).
    out: (n, C), C-contiguous; overwritten. If it is (n, k, C), nothing is summed: ``out[j, k]`` is the summand; it
        may then be uint16 (bfloat16, rounded to nearest, ties to even) of float32.
    bias: (C,), added to the sum.
    positive: whether negative sums become 0.
    first: number of the first row of source, of which it may hold a part.
    n_threads: at most so many work on different rows; the result does not depend on it.

Raises:
    ValueError: the text names the row, what was found and what was expected.)";

constexpr const char* kScatterDoc = R"(Sum over the users of each row: out[i] = sum over k and users j of source[j].

It is the transposed of ``gather_rows``: sums in a fixed order, without atomics.

Args:
    source: (n, C), or (n, k, C): the user j at place k then gives ``source[j, k]``. dtypes as in ``gather_rows``.
    start, user: what ``list_users`` gives; start may be a part of it, for as many rows as out has.
    out: (rows, C), C-contiguous; overwritten. If it is (rows, k, C), the places in the window stay apart.
    which: (n, C) int32: a channel of j counts only where it is the user's place k (what ``max_rows`` gives).
    first: number of the first user in source, of which it may hold a part.
    n_threads: at most so many work on different rows; the result does not depend on it.

Raises:
    ValueError: the text names the row, what was found and what was expected.)";

constexpr const char* kMaxDoc = R"(Maximum of the rows of each window: out[j] = max over k of source[index[j, k]].

Args:
    source: (rows, C) float32 or float64.
    index: (n, k) int32, numbers of rows, or negative for none.
    out: (n, C), C-contiguous; overwritten. A NaN is the maximum; a window without rows gives -inf.
    n_threads: at most so many work on different rows; the result does not depend on it.

Returns:
    (n, C) int32: the first place k that holds the maximum, or the last NaN; -1 without rows.

Raises:
    ValueError: the text names the row, what was found and what was expected.)";

template <class From, class To>
void define(py::module_& m) {
    m.def("gather_rows", &gather_rows<From, To>, py::arg("source").noconvert(), py::arg("index").noconvert(),
          py::arg("out").noconvert(), py::arg("bias").noconvert() = py::none(), py::arg("positive") = false,
          py::arg("first") = 0, py::arg("n_threads").noconvert() = 1, kGatherDoc);
    m.def("scatter_rows", &scatter_rows<From, To>, py::arg("source").noconvert(), py::arg("start").noconvert(),
          py::arg("user").noconvert(), py::arg("out").noconvert(), py::arg("which").noconvert() = py::none(),
          py::arg("first") = 0, py::arg("n_threads").noconvert() = 1, kScatterDoc);
}

template <class Number>
void define_max(py::module_& m) {
    m.def("max_rows", &max_rows<Number>, py::arg("source").noconvert(), py::arg("index").noconvert(),
          py::arg("out").noconvert(), py::arg("n_threads").noconvert() = 1, kMaxDoc);
}

}  // namespace

void bind_rows(py::module_& m) {
    m.def("list_users", &list_users, py::arg("index").noconvert(), py::arg("rows"), kUsersDoc);
    define<float, float>(m);
    define<double, double>(m);
    define<dmcnn::Bf16, float>(m);
    define<float, dmcnn::Bf16>(m);
    define_max<float>(m);
    define_max<double>(m);
}
