#pragma once

#include "dmcnn/edges.hpp"
#include "dmcnn/images.hpp"

namespace dmcnn {

/// Time frames of images with a channel of energies and one of times.
///
/// time         bin k of the time becomes frame k; frames beyond the last bin, up to `count`, stay empty
/// energy_above only pixels with more energy, compared as doubles
/// after,until  limits of the time, closed as the bins are
/// cumulative   a pixel is in the frame of its bin and in those of all later bins; one before the first edge is in
///              all of them. Otherwise it is in the frame of its bin alone.
struct Frames {
    Edges time;
    std::int64_t count;
    double energy_above, after, until;
    bool cumulative;
};

/// Converts images into sparse images of (frames, height, width); each voxel holds the energy of its pixel.
///
/// energy,time numbers of the channels. A pixel without stored time has time 0.
/// `cut` counts the pixels above the energy threshold that are in no frame; `bad` is 0.
///
/// std::invalid_argument names the image or the edge at fault.
Sparse voxelise(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, int threads);

/// Cells of n images of height x width, in the caller's memory: image i owns offsets[i] .. offsets[i+1] - 1.
struct CellList {
    const std::int64_t* offsets;  ///< n + 1, from 0 to the number of cells
    std::int64_t n;
    const std::int32_t* cell;  ///< number of the cell, row-major, strictly increasing in an image
    const float *energy, *time;
    std::int64_t count;
    std::int64_t height, width;
};

/// Converts cells with their energies and times into the same frames. A cell without energy is in no frame.
Sparse voxelise_cells(const CellList& cells, const Frames& frames, int threads);

/// The same frames as dense images: out (n, frames.count, height, width), zeros included.
void voxelise_dense(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, float* out,
                    int threads);

}  // namespace dmcnn
