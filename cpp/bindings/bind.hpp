#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <tuple>
#include <vector>

#include "dmcnn/sparse.hpp"

namespace py = pybind11;

/// No forcecast, and every argument is bound with noconvert(): another dtype or a non-contiguous array is a
/// TypeError, never a silent copy.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

/// ValueError unless `array` is aligned and has this shape; a size of -1 is free.
void expect(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape);

/// Number of entries between the positions `entries`: one less than there are.
py::ssize_t count_entries(const Array<std::int64_t>& entries);

template <class T>
Array<T> as_array(const std::vector<T>& values) {
    return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

/// offsets, index, value, bad, cut: see dmcnn::Sparse.
using SparseArrays =
    std::tuple<Array<std::int64_t>, Array<std::int32_t>, Array<float>, Array<std::int64_t>, Array<std::int64_t>>;

SparseArrays as_arrays(const dmcnn::Sparse& sparse);

void bind_changes(py::module_& m);
void bind_crop(py::module_& m);
void bind_decode_clusters(py::module_& m);
void bind_decode_image2d(py::module_& m);
void bind_decode_voxels(py::module_& m);
void bind_densify(py::module_& m);
void bind_locate(py::module_& m);
void bind_match_windows(py::module_& m);
void bind_normalise_rows(py::module_& m);
void bind_occlude(py::module_& m);
void bind_predict(py::module_& m);
void bind_rotate(py::module_& m);
void bind_rows(py::module_& m);
void bind_select(py::module_& m);
void bind_sparsify(py::module_& m);
void bind_swap_axes(py::module_& m);
void bind_voxelise(py::module_& m);
void bind_voxelise_hits(py::module_& m);
