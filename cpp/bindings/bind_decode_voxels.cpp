#include "bind.hpp"
#include "dmcnn/decode_voxels.hpp"

namespace {

using VoxelArrays = std::tuple<Array<std::int64_t>, Array<std::int64_t>, Array<std::uint64_t>, Array<float>>;

VoxelArrays decode_voxels(const Array<std::uint8_t>& data, const Array<std::int64_t>& entries) {
    expect(data, "data", {-1});
    const py::ssize_t n = count_entries(entries);
    dmcnn::Voxels voxels;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        voxels = dmcnn::decode_voxels(data.data(), data.size(), entries.data(), n);
    }
    const dmcnn::VoxelSets& sets = voxels.sets;
    return {as_array(voxels.counts), as_array(sets.offsets), as_array(sets.id), as_array(sets.value)};
}

}  // namespace

void bind_decode_voxels(py::module_& m) {
    m.def("decode_voxels", &decode_voxels, py::arg("data").noconvert(), py::arg("entries").noconvert(),
          R"(Sets of voxels from the decompressed bytes of a LArCV2 branch of type ``std::vector<larcv::Voxel>[]``.

Args:
    data: (nbytes,) uint8, several entries of ``_tensor_v._voxel_v`` (sparse2d) or ``_voxel_vv._voxel_v``
        (cluster3d).
    entries: (n+1,) int64. Entry e is ``data[entries[e]:entries[e+1]]``.

Returns:
    counts (n,) int64, sets of each entry, m in all; offsets (m+1,) int64, set s owns the voxels
    ``offsets[s]:offsets[s+1]``; id (v,) uint64, number of each voxel in its image; value (v,) float32, as stored.

Raises:
    ValueError: malformed bytes; the text names the entry, what was found and what was expected.)");
}
