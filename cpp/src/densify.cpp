#include "dmcnn/densify.hpp"

#include <algorithm>
#include <utility>

namespace dmcnn {

namespace {

using std::to_string;

/// Pixel (c, row, col) of the stored image goes to origin + c * H * W + row * row_step + col * col_step.
struct Walk {
    std::int64_t origin, row_step, col_step;
};

Walk walk(std::uint8_t orientation, const Shape& shape) {
    const bool down = (orientation & kFlipRows) != 0, right = (orientation & kFlipCols) != 0;
    Walk way{0, down ? -shape.width : shape.width, right ? -1 : 1};
    if (down) way.origin += (shape.height - 1) * shape.width;
    if (right) way.origin += shape.width - 1;
    if (orientation & kTranspose) std::swap(way.row_step, way.col_step);
    return way;
}

void check_orientation(std::uint8_t orientation, std::int64_t image, const Shape& shape) {
    if (orientation > (kTranspose | kFlipRows | kFlipCols))
        refuse("image", image, "orientation", to_string(orientation), "0 to 7");
    if ((orientation & kTranspose) && shape.height != shape.width)
        refuse("image", image, "transpose of", to_string(shape.height) + " x " + to_string(shape.width),
               "a square image");
}

}  // namespace

void densify(const std::int64_t* offsets, std::int64_t n, const std::int32_t* index, const float* value,
             std::int64_t nnz, const std::uint8_t* orientation, const Shape& shape, float* out) {
    check_shape(shape);
    if (offsets[0] != 0) refuse("offset", 0, "value", to_string(offsets[0]), "0");
    if (offsets[n] != nnz) refuse("offset", n, "value", to_string(offsets[n]), to_string(nnz) + " pixels");
    const std::int64_t plane = shape.height * shape.width, size = shape.channels * plane;
    for (std::int64_t i = 0; i < n; ++i, out += size) {
        const std::int64_t start = offsets[i], stop = offsets[i + 1];
        if (start < 0 || stop < start || stop > nnz)
            refuse("image", i, "offsets", to_string(start) + " to " + to_string(stop),
                   "increasing positions up to " + to_string(nnz));
        const std::uint8_t turn = orientation ? orientation[i] : std::uint8_t{0};
        check_orientation(turn, i, shape);
        const Walk way = walk(turn, shape);
        std::fill(out, out + size, 0.0F);
        for (std::int64_t k = start; k < stop; ++k) {
            std::int64_t at = index[k];
            if (at < 0 || at >= size) refuse("image", i, "index", to_string(at), "0 to " + to_string(size - 1));
            if (turn) {
                const std::int64_t in_plane = at % plane;
                at += way.origin - in_plane + in_plane / shape.width * way.row_step +
                      in_plane % shape.width * way.col_step;
            }
            out[at] = value[k];
        }
    }
}

}  // namespace dmcnn
