#pragma once

#include "bind.hpp"
#include "dmcnn/images.hpp"

using Size = std::tuple<std::int64_t, std::int64_t, std::int64_t>;

/// The kernels' view of a batch; valid as long as the arrays are.
inline dmcnn::Images view(const Array<std::int64_t>& offsets, const Array<std::int32_t>& index,
                          const Array<float>& value, const Size& shape) {
    expect(offsets, "offsets", {-1});
    if (offsets.size() == 0) throw py::value_error("offsets is empty, expected at least the 0");
    expect(index, "index", {-1});
    expect(value, "value", {index.size()});
    const auto [channels, height, width] = shape;
    return {offsets.data(), offsets.size() - 1, index.data(), value.data(), index.size(), {channels, height, width}};
}
