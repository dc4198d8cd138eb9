#include <string>

#include "bind.hpp"

namespace {

std::string text(const py::ssize_t* sizes, std::size_t n) {
    std::string out = "(";
    for (std::size_t i = 0; i < n; ++i) {
        out += (i ? ", " : "") + (sizes[i] < 0 ? std::string("any") : std::to_string(sizes[i]));
    }
    return out + ")";
}

}  // namespace

void expect(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape) {
    bool fits = static_cast<std::size_t>(array.ndim()) == shape.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || array.shape()[i] == shape[i];
    if (!fits)
        throw py::value_error(std::string(name) + " has shape " +
                              text(array.shape(), static_cast<std::size_t>(array.ndim())) + ", expected " +
                              text(shape.data(), shape.size()));
    if (!(array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_))
        throw py::value_error(std::string(name) + " is not aligned in memory, expected an aligned array");
}

py::ssize_t count_entries(const Array<std::int64_t>& entries) {
    expect(entries, "entries", {-1});
    if (entries.size() == 0) throw py::value_error("entries has shape (0), expected (n + 1)");
    return entries.size() - 1;
}

SparseArrays as_arrays(const dmcnn::Sparse& sparse) {
    return {as_array(sparse.offsets), as_array(sparse.index), as_array(sparse.value), as_array(sparse.bad),
            as_array(sparse.cut)};
}
