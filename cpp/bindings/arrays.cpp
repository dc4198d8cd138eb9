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

template <class T>
Array<T> as_array(const std::vector<T>& values) {
    return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

}  // namespace

void expect(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape) {
    bool fits = static_cast<std::size_t>(array.ndim()) == shape.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i)
        fits = shape[i] < 0 || array.shape()[i] == shape[i];
    if (!fits)
        throw py::value_error(std::string(name) + " has shape " +
                              text(array.shape(), static_cast<std::size_t>(array.ndim())) + ", expected " +
                              text(shape.data(), shape.size()));
    if (!(array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_))
        throw py::value_error(std::string(name) + " is not aligned in memory, expected an aligned array");
}

SparseArrays as_arrays(const dmcnn::Sparse& sparse) {
    return {as_array(sparse.offsets), as_array(sparse.index), as_array(sparse.value), as_array(sparse.bad),
            as_array(sparse.cut)};
}
