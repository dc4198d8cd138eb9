#include "bind.hpp"
#include "dmcnn/changes.hpp"

namespace {

using Ints = Array<std::int32_t>;
using Starts = Array<std::int64_t>;

dmcnn::Changes view(const Starts& start, const Ints& row, std::int64_t rows) {
    const py::ssize_t m = count_entries(start);
    expect(row, "row", {start.at(m)});
    return {start.data(), m, row.data(), rows};
}

std::tuple<Starts, Ints> list_changes(const Starts& start, const Ints& row, const Ints& users_start, const Ints& user,
                                      std::int64_t rows, std::int64_t n, int threads) {
    const dmcnn::Changes before = view(start, row, rows);
    const py::ssize_t segments = users_start.size() - 1;
    if (rows < 1 || n < 0 || segments < 1 || segments % rows)
        throw py::value_error("users_start has shape (" + std::to_string(users_start.size()) + "), expected " +
                              std::to_string(rows) + " times the neighbours + 1");
    expect(user, "user", {-1});
    const dmcnn::Users users{users_start.data(), rows, segments / rows, user.data(), user.shape(0)};
    dmcnn::ListedChanges listed;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object; so below.
        const py::gil_scoped_release release;
        listed = dmcnn::list_changes(before, users, n, threads);
    }
    return {as_array(listed.start), as_array(listed.row)};
}

Ints link_changes(const Starts& start, const Ints& row, const Ints& index, std::int64_t rows,
                  const Starts& after_start, const Ints& after_row, int threads) {
    expect(index, "index", {-1, -1});
    const dmcnn::Changes before = view(start, row, rows), after = view(after_start, after_row, index.shape(0));
    Ints out({after_row.shape(0), index.shape(1)});
    const dmcnn::Index links{index.data(), index.shape(0), index.shape(1)};
    std::int32_t* to = out.mutable_data();
    {
        const py::gil_scoped_release release;
        dmcnn::link_changes(before, links, after, threads, to);
    }
    return out;
}

constexpr const char* kListDoc = R"(List the rows that change after a layer, for every variant of an image.

Args:
    start: (m + 1,) int64; row[start[v]:start[v + 1]] are the changed rows of variant v before the layer.
    row: (changes,) int32, numbers of rows of the image, increasing within a variant.
    users_start, user: what ``list_users`` gives for the layer.
    rows, n: rows of the image before and after the layer.
    n_threads: at most so many work on different variants; the result does not depend on it.

Returns:
    (m + 1,) int64 and (changes,) int32: the same after the layer.

Raises:
    ValueError: the text names variant or row, what was found and what was expected.)";

constexpr const char* kLinkDoc = R"(Link changed rows to the rows that they are made of.

The rows before the layer are a table: all ``rows`` of the image, then the changed ones, variant after variant.

Args:
    start, row: changed rows before the layer, as of ``list_changes``.
    index: (n, k) int32, rows before that each row after is made of, or negative for none.
    rows: rows of the image before the layer.
    after_start, after_row: rows after the layer, as of ``list_changes``; changed or not.
    n_threads: at most so many work on different variants; the result does not depend on it.

Returns:
    (len(after_row), k) int32: numbers in the table, negative ones as in ``index``.

Raises:
    ValueError: the text names variant or row, what was found and what was expected.)";

}  // namespace

void bind_changes(py::module_& m) {
    m.def("list_changes", &list_changes, py::arg("start").noconvert(), py::arg("row").noconvert(),
          py::arg("users_start").noconvert(), py::arg("user").noconvert(), py::arg("rows"), py::arg("n"),
          py::arg("n_threads").noconvert() = 1, kListDoc);
    m.def("link_changes", &link_changes, py::arg("start").noconvert(), py::arg("row").noconvert(),
          py::arg("index").noconvert(), py::arg("rows"), py::arg("after_start").noconvert(),
          py::arg("after_row").noconvert(), py::arg("n_threads").noconvert() = 1, kLinkDoc);
}
