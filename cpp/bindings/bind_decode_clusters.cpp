#include "bind.hpp"
#include "dmcnn/decode_clusters.hpp"

namespace {

using ClusterArrays = std::tuple<Array<std::int64_t>, Array<std::int64_t>, Array<std::uint64_t>, Array<std::int64_t>,
                                 Array<std::uint64_t>, Array<float>>;

ClusterArrays decode_clusters(const Array<std::uint8_t>& data, const Array<std::int64_t>& entries) {
    expect(data, "data", {-1});
    const py::ssize_t n = count_entries(entries);
    dmcnn::Clusters clusters;
    {
        // The arguments hold references to the arrays, and the kernel touches no Python object.
        const py::gil_scoped_release release;
        clusters = dmcnn::decode_clusters(data.data(), data.size(), entries.data(), n);
    }
    const dmcnn::VoxelSets& sets = clusters.sets;
    return {as_array(clusters.counts), as_array(clusters.offsets), as_array(clusters.id),
            as_array(sets.offsets),    as_array(sets.id),          as_array(sets.value)};
}

}  // namespace

void bind_decode_clusters(py::module_& m) {
    m.def("decode_clusters", &decode_clusters, py::arg("data").noconvert(), py::arg("entries").noconvert(),
          R"(Clusters of voxels from the decompressed bytes of a LArCV2 ``_cluster_v._voxel_vv`` branch (cluster2d).

Args:
    data: (nbytes,) uint8, several entries.
    entries: (n+1,) int64. Entry e is ``data[entries[e]:entries[e+1]]``.

Returns:
    counts (n,) int64, projections of each entry, m in all; offsets (m+1,) int64, projection p owns the clusters
    ``offsets[p]:offsets[p+1]``; id (k,) uint64 of every cluster, unset being 65535 or 2**64 - 1 as the file has
    16 or 64 bits; voxel_offsets (k+1,) int64, cluster c owns the voxels ``voxel_offsets[c]:voxel_offsets[c+1]``;
    voxel_id (v,) uint64, number of each voxel in its image; value (v,) float32, as stored.

Raises:
    ValueError: malformed bytes; the text names the entry, what was found and what was expected.)");
}
