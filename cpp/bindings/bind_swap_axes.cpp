#include "bind.hpp"
#include "dmcnn/swap_axes.hpp"

namespace {

template <class Number>
void swap_axes(const Array<Number>& tables, Array<Number>& out, int threads) {
    expect(tables, "tables", {-1, -1, -1});
    const py::ssize_t n = tables.shape(0), rows = tables.shape(1), columns = tables.shape(2);
    expect(out, "out", {n, columns, rows});
    const Number* from = tables.data();
    Number* to = out.mutable_data();
    // The arguments hold references to the arrays, and the kernel touches no Python object.
    const py::gil_scoped_release release;
    dmcnn::swap_axes(from, n, rows, columns, threads, to);
}

constexpr const char* kDoc = R"(Write the tables with rows and columns swapped: out[i, c, r] = tables[i, r, c].

Args:
    tables: (n, rows, columns) float32 or float64.
    out: (n, columns, rows), dtype of tables, C-contiguous; overwritten. It must not share memory with tables.
    n_threads: at most so many work on different parts.

Raises:
    ValueError: the text names the argument, what was found and what was expected.)";

template <class Number>
void define(py::module_& m) {
    m.def("swap_axes", &swap_axes<Number>, py::arg("tables").noconvert(), py::arg("out").noconvert(),
          py::arg("n_threads").noconvert() = 1, kDoc);
}

}  // namespace

void bind_swap_axes(py::module_& m) {
    define<float>(m);
    define<double>(m);
}
