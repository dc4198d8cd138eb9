#pragma once

#include "bind.hpp"
#include "dmcnn/edges.hpp"

using Real = Array<double>;

/// The kernels' view of the edges of an axis; valid as long as the array is.
inline dmcnn::Edges axis(const Real& edges, const char* name, bool right_closed) {
    expect(edges, name, {-1});
    return {edges.data(), edges.size(), right_closed};
}
