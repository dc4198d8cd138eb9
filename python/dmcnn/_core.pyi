# Generated: python -m pybind11_stubgen dmcnn._core --output-dir <folder>; only these lines are by hand.
# fmt: off
# ruff: noqa: W293
"""
Loops over the pixels of sparse detector images. Every function releases the GIL.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing
__all__: list[str] = ['Network', 'centroid', 'crop', 'decode_clusters', 'decode_image2d', 'decode_voxels', 'densify', 'gather_rows', 'link_changes', 'list_boxes', 'list_changes', 'list_users', 'list_windows', 'match_windows', 'max_rows', 'most_charge', 'normalise_rows', 'normalise_slopes', 'occlude', 'rotate', 'scatter_rows', 'select', 'sparsify', 'swap_axes', 'voxelise', 'voxelise_cells', 'voxelise_dense', 'voxelise_hits']
class Network:
    """
    A quantised network for pixel frames, in integers: every result is exact.
    
    Layers: separable convolution, activation, 1 x 1 convolution, activation, average pooling, dense layers with an
    activation after each but the last. Borders are not padded. Numbers of b bits are multiples of 2^(1 - b). Pixels and
    means of the pooling are rounded half to even and clipped to -1 and 1 - 2^(1 - b); infinite pixels are clipped too. An
    activation is the hard tanh: the same, clipped to -1 + 2^(1 - b) and 1 - 2^(1 - b). Outputs are not rounded but to
    float32, which is exact up to 2^24 of their units. If a pixel that is read is NaN, all outputs of its frame are; rows
    and columns that the pooling does not reach are not read.
    
    Args:
        shape: (C, H, W) of a frame: time slices, rows, columns; at most 65,536 numbers.
        pool: 1 to 16 [pixels]. Side of the squares that are averaged.
        depthwise, pointwise, bias: int8 integers and their bits, 2 to 8: (C, k, k) with k up to 16, (F, C) with F up to 64,
            (F,). Depthwise and pointwise convolution, and the bias after both.
        conv, conv_bias: the same of the 1 x 1 convolution: (F, F) to and from, (F,).
        dense: of every layer the weight (outputs, inputs) and the bias (outputs,), each with its bits, and the bits of its
            activation, of which the last layer has none. Inputs of the first are (F, pooled rows, pooled columns).
        input_bits, act_1_bits, act_2_bits, pool_bits: 2 to 12, of the pixels, activations and means.
    
    Raises:
        ValueError: the text names what was found and what was expected; also for sums that int32 might not hold.
    """
    def __init__(self, shape: tuple[int, int, int], pool: int, depthwise: tuple[numpy.typing.NDArray[numpy.int8], int], pointwise: tuple[numpy.typing.NDArray[numpy.int8], int], bias: tuple[numpy.typing.NDArray[numpy.int8], int], conv: tuple[numpy.typing.NDArray[numpy.int8], int], conv_bias: tuple[numpy.typing.NDArray[numpy.int8], int], dense: list[tuple[tuple[numpy.typing.NDArray[numpy.int8], int], tuple[numpy.typing.NDArray[numpy.int8], int], int]], input_bits: int, act_1_bits: int, act_2_bits: int, pool_bits: int) -> None:
        ...
    def predict(self, offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], n_threads: int = 1) -> numpy.typing.NDArray[numpy.float32]:
        """
        Outputs (n, m) float32 of sparse frames.
        
        Args:
            offsets: (n+1,) int64. Frame i owns ``index[offsets[i]:offsets[i+1]]``.
            index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W), in any order; the last one of a place counts.
            value: (nnz,) float32, standardised charge.
            shape: (C, H, W), that of the network.
            n_threads: at most so many work on different frames; the result does not depend on it.
        
        Raises:
            ValueError: the text names the frame, what was found and what was expected.
        """
    def predict_dense(self, frames: numpy.typing.NDArray[numpy.float32], n_threads: int = 1) -> numpy.typing.NDArray[numpy.float32]:
        """
        Outputs (n, m) float32 of dense frames (n, C, H, W) float32, C-contiguous; otherwise as ``predict``.
        """
def centroid(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Mean row and column of sparse images, all channels together, weighted with the charges above zero.
    
    Args:
        offsets, index, value, shape, n_threads: as ``crop``.
    
    Returns:
        rows (n,) float64, cols (n,) float64; the centre ((H - 1) / 2, (W - 1) / 2) of an image without such charge.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
def crop(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], source: numpy.typing.NDArray[numpy.int64], top: numpy.typing.NDArray[numpy.int64], left: numpy.typing.NDArray[numpy.int64], size: tuple[int, int], rows_per_pixel: int = 1, merge: str = 'sum', n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Cut windows out of sparse images.
    
    Args:
        offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
        index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W), strictly increasing in an image.
        value: (nnz,) float32 [ADC], finite.
        shape: (C, H, W).
        source: (m,) int64. The image that each window is cut from.
        top: (m,) int64. First row (drift tick) of each window; it may lie outside the image.
        left: (m,) int64. First column (wire) of each window; it may lie outside the image.
        size: (height, width) of the new images; a window covers ``height * rows_per_pixel`` rows.
        rows_per_pixel: so many rows of the image become one.
        merge: how they do: "sum", "mean" or "max", an absent pixel counting as zero; sums are made in double.
        n_threads: at most so many work on different windows; the result does not depend on it.
    
    Returns:
        offsets (m+1,) int64; index int32, row-major in (C, *size); value float32, no zeros; bad (m,) int64, zeros;
        cut (m,) int64, pixels of the image outside the window.
    
    Raises:
        ValueError: the text names the image or the window, what was found and what was expected.
    """
def decode_clusters(data: numpy.typing.NDArray[numpy.uint8], entries: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.float32]]:
    """
    Clusters of voxels from the decompressed bytes of a LArCV2 ``_cluster_v._voxel_vv`` branch (cluster2d).
    
    Args:
        data: (nbytes,) uint8, several entries.
        entries: (n+1,) int64. Entry e is ``data[entries[e]:entries[e+1]]``.
    
    Returns:
        counts (n,) int64, projections of each entry, m in all; offsets (m+1,) int64, projection p owns the clusters
        ``offsets[p]:offsets[p+1]``; id (k,) uint64 of every cluster, unset being 65535 or 2**64 - 1 as the file has
        16 or 64 bits; voxel_offsets (k+1,) int64, cluster c owns the voxels ``voxel_offsets[c]:voxel_offsets[c+1]``;
        voxel_id (v,) uint64, number of each voxel in its image; value (v,) float32, as stored.
    
    Raises:
        ValueError: malformed bytes; the text names the entry, what was found and what was expected.
    """
def decode_image2d(data: numpy.typing.NDArray[numpy.uint8], entries: numpy.typing.NDArray[numpy.int64], position: numpy.typing.NDArray[numpy.int64], rows: numpy.typing.NDArray[numpy.int64], cols: numpy.typing.NDArray[numpy.int64], shape: tuple[int, int], adc_lo: typing.SupportsFloat | typing.SupportsIndex, adc_hi: typing.SupportsFloat | typing.SupportsIndex, flip_rows: bool) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Sparse images from the decompressed bytes of a LArCV ``_image_v._img`` branch.
    
    Args:
        data: (nbytes,) uint8, several entries.
        entries: (n+1,) int64. Entry e is ``data[entries[e]:entries[e+1]]``.
        position: (n, C) int64. Which image of the entry becomes channel c; -1 leaves the channel empty.
        rows: (n, C) int64. Rows (drift ticks) of that image, from its meta.
        cols: (n, C) int64. Columns (wires) of that image, from its meta.
        shape: (H, W) to centre every image into, by (H - rows) / 2 and (W - cols) / 2 truncated toward zero.
        adc_lo: [ADC] pixels below are dropped; -inf keeps all.
        adc_hi: [ADC] pixels above become adc_hi; inf keeps all.
        flip_rows: the file stores the last row first (LArCV1).
    
    Returns:
        offsets (n+1,) int64; index (nnz,) int32, row-major in (C, H, W); value (nnz,) float32 [ADC], no zeros;
        bad (n,) int64, pixels dropped as NaN or infinite; cut (n,) int64, active pixels outside (H, W).
    
    Raises:
        ValueError: malformed bytes; the text names the entry, what was found and what was expected.
    """
def decode_voxels(data: numpy.typing.NDArray[numpy.uint8], entries: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.float32]]:
    """
    Sets of voxels from the decompressed bytes of a LArCV2 branch of type ``std::vector<larcv::Voxel>[]``.
    
    Args:
        data: (nbytes,) uint8, several entries of ``_tensor_v._voxel_v`` (sparse2d) or ``_voxel_vv._voxel_v``
            (cluster3d).
        entries: (n+1,) int64. Entry e is ``data[entries[e]:entries[e+1]]``.
    
    Returns:
        counts (n,) int64, sets of each entry, m in all; offsets (m+1,) int64, set s owns the voxels
        ``offsets[s]:offsets[s+1]``; id (v,) uint64, number of each voxel in its image; value (v,) float32, as stored.
    
    Raises:
        ValueError: malformed bytes; the text names the entry, what was found and what was expected.
    """
@typing.overload
def densify(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.float32], orientation: numpy.typing.NDArray[numpy.uint8] | None = None, which: numpy.typing.NDArray[numpy.int64] | None = None, shift: numpy.typing.NDArray[numpy.int64] | None = None, key: numpy.typing.NDArray[numpy.uint64] | None = None, seed: int = 0, noise: typing.SupportsFloat | typing.SupportsIndex = 0.0, mask: typing.SupportsFloat | typing.SupportsIndex = 0.0, n_threads: int = 1) -> numpy.typing.NDArray[numpy.int64]:
    """
    Write sparse images into a dense batch, zeros included, augmented on the way.
    
    Args:
        offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
        index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W).
        value: (nnz,) float32 [ADC].
        out: (B, C, H, W) float32, or uint16 for the bits of bfloat16 (rounded to nearest, ties to even), writeable,
            C-contiguous; overwritten.
        orientation: (B,) uint8, a sum of 1 (swap H and W, square images only), 2 (then reverse H: rows, ticks) and
            4 (then reverse W: columns, wires); None leaves the images as they are.
        which: (B,) int64, numbers of the images to write; None writes all (B = n).
        shift: (B, 2) int64 [pixels], rows down and columns right, after the orientation; what leaves the image is lost.
        key: (B,) uint64, the images' names to the random numbers; needed by ``noise`` and ``mask``.
        seed: of the random numbers.
        noise: [ADC] rms of the noise added to every active pixel (a sum of 12 uniform numbers: |noise| < 6 rms).
        mask: probability to leave a pixel out.
        n_threads: at most so many work on different images. The random numbers depend on (seed, key, stored pixel
            number) alone, and nothing depends on the threads: see cpp/include/dmcnn/random.hpp and densify.hpp.
    
    Returns:
        (B,) int64: pixels of each image that the shift moved out of it.
    
    Raises:
        ValueError: the text names the place in the batch, what was found and what was expected; ``out`` is then
            unspecified.
    """
@typing.overload
def densify(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.uint16], orientation: numpy.typing.NDArray[numpy.uint8] | None = None, which: numpy.typing.NDArray[numpy.int64] | None = None, shift: numpy.typing.NDArray[numpy.int64] | None = None, key: numpy.typing.NDArray[numpy.uint64] | None = None, seed: int = 0, noise: typing.SupportsFloat | typing.SupportsIndex = 0.0, mask: typing.SupportsFloat | typing.SupportsIndex = 0.0, n_threads: int = 1) -> numpy.typing.NDArray[numpy.int64]:
    """
    Write sparse images into a dense batch, zeros included, augmented on the way.
    
    Args:
        offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
        index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W).
        value: (nnz,) float32 [ADC].
        out: (B, C, H, W) float32, or uint16 for the bits of bfloat16 (rounded to nearest, ties to even), writeable,
            C-contiguous; overwritten.
        orientation: (B,) uint8, a sum of 1 (swap H and W, square images only), 2 (then reverse H: rows, ticks) and
            4 (then reverse W: columns, wires); None leaves the images as they are.
        which: (B,) int64, numbers of the images to write; None writes all (B = n).
        shift: (B, 2) int64 [pixels], rows down and columns right, after the orientation; what leaves the image is lost.
        key: (B,) uint64, the images' names to the random numbers; needed by ``noise`` and ``mask``.
        seed: of the random numbers.
        noise: [ADC] rms of the noise added to every active pixel (a sum of 12 uniform numbers: |noise| < 6 rms).
        mask: probability to leave a pixel out.
        n_threads: at most so many work on different images. The random numbers depend on (seed, key, stored pixel
            number) alone, and nothing depends on the threads: see cpp/include/dmcnn/random.hpp and densify.hpp.
    
    Returns:
        (B,) int64: pixels of each image that the shift moved out of it.
    
    Raises:
        ValueError: the text names the place in the batch, what was found and what was expected; ``out`` is then
            unspecified.
    """
@typing.overload
def gather_rows(source: numpy.typing.NDArray[numpy.float32], index: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float32], bias: numpy.typing.NDArray[numpy.float32] | None = None, positive: bool = False, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum the rows of each window: out[j] = sum over k of source[index[j, k]].
    
    Args:
        source: (rows, C) float32 or float64, or uint16 for the bits of bfloat16 (out is then float32). If it is
            (rows, k, C), the place k in the window takes ``source[index[j, k], k]``.
        index: (n, k) int32, numbers of rows, or negative for none (zeros).
        out: (n, C), C-contiguous; overwritten. If it is (n, k, C), nothing is summed: ``out[j, k]`` is the summand; it
            may then be uint16 (bfloat16, rounded to nearest, ties to even) of float32.
        bias: (C,), added to the sum.
        positive: whether negative sums become 0.
        first: number of the first row of source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def gather_rows(source: numpy.typing.NDArray[numpy.float64], index: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float64], bias: numpy.typing.NDArray[numpy.float64] | None = None, positive: bool = False, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum the rows of each window: out[j] = sum over k of source[index[j, k]].
    
    Args:
        source: (rows, C) float32 or float64, or uint16 for the bits of bfloat16 (out is then float32). If it is
            (rows, k, C), the place k in the window takes ``source[index[j, k], k]``.
        index: (n, k) int32, numbers of rows, or negative for none (zeros).
        out: (n, C), C-contiguous; overwritten. If it is (n, k, C), nothing is summed: ``out[j, k]`` is the summand; it
            may then be uint16 (bfloat16, rounded to nearest, ties to even) of float32.
        bias: (C,), added to the sum.
        positive: whether negative sums become 0.
        first: number of the first row of source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def gather_rows(source: numpy.typing.NDArray[numpy.uint16], index: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float32], bias: numpy.typing.NDArray[numpy.float32] | None = None, positive: bool = False, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum the rows of each window: out[j] = sum over k of source[index[j, k]].
    
    Args:
        source: (rows, C) float32 or float64, or uint16 for the bits of bfloat16 (out is then float32). If it is
            (rows, k, C), the place k in the window takes ``source[index[j, k], k]``.
        index: (n, k) int32, numbers of rows, or negative for none (zeros).
        out: (n, C), C-contiguous; overwritten. If it is (n, k, C), nothing is summed: ``out[j, k]`` is the summand; it
            may then be uint16 (bfloat16, rounded to nearest, ties to even) of float32.
        bias: (C,), added to the sum.
        positive: whether negative sums become 0.
        first: number of the first row of source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def gather_rows(source: numpy.typing.NDArray[numpy.float32], index: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.uint16], bias: numpy.typing.NDArray[numpy.uint16] | None = None, positive: bool = False, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum the rows of each window: out[j] = sum over k of source[index[j, k]].
    
    Args:
        source: (rows, C) float32 or float64, or uint16 for the bits of bfloat16 (out is then float32). If it is
            (rows, k, C), the place k in the window takes ``source[index[j, k], k]``.
        index: (n, k) int32, numbers of rows, or negative for none (zeros).
        out: (n, C), C-contiguous; overwritten. If it is (n, k, C), nothing is summed: ``out[j, k]`` is the summand; it
            may then be uint16 (bfloat16, rounded to nearest, ties to even) of float32.
        bias: (C,), added to the sum.
        positive: whether negative sums become 0.
        first: number of the first row of source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
def link_changes(start: numpy.typing.NDArray[numpy.int64], row: numpy.typing.NDArray[numpy.int32], index: numpy.typing.NDArray[numpy.int32], rows: typing.SupportsInt | typing.SupportsIndex, after_start: numpy.typing.NDArray[numpy.int64], after_row: numpy.typing.NDArray[numpy.int32], n_threads: int = 1) -> numpy.typing.NDArray[numpy.int32]:
    """
    Link changed rows to the rows that they are made of.
    
    The rows before the layer are a table: all ``rows`` of the image, then the changed ones, variant after variant.
    
    Args:
        start, row: changed rows before the layer, as of ``list_changes``.
        index: (n, k) int32, rows before that each row after is made of, or negative for none.
        rows: rows of the image before the layer.
        after_start, after_row: rows after the layer, as of ``list_changes``; changed or not.
        n_threads: at most so many work on different variants; the result does not depend on it.
    
    Returns:
        (len(after_row), k) int32: numbers in the table, negative ones as in ``index``.
    
    Raises:
        ValueError: the text names variant or row, what was found and what was expected.
    """
def list_boxes(index: numpy.typing.NDArray[numpy.int32], shape: tuple[int, int, int], half: int, depth: int, stride: int = 1, skip: bool = False, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32]]:
    """
    The windows of ``list_windows`` as boxes of frames, rows and columns.
    
    Args:
        index, shape, half, skip, n_threads: as ``list_windows``; channels are frames.
        depth: [frames] a box spans ``2 * depth + 1`` frames, clipped at the first and the last; >= 0.
        stride: 1 puts a box around every active voxel; s > 1 around the middle of every s x s cell of every frame.
    
    Returns:
        frames: (n,) int64. Frame of each box's centre; centres come frame by frame, then row by row.
        rows, cols, number, offsets, covered: as ``list_windows``.
    
    Raises:
        ValueError: as ``list_windows``.
    """
def list_changes(start: numpy.typing.NDArray[numpy.int64], row: numpy.typing.NDArray[numpy.int32], users_start: numpy.typing.NDArray[numpy.int32], user: numpy.typing.NDArray[numpy.int32], rows: typing.SupportsInt | typing.SupportsIndex, n: typing.SupportsInt | typing.SupportsIndex, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32]]:
    """
    List the rows that change after a layer, for every variant of an image.
    
    Args:
        start: (m + 1,) int64; row[start[v]:start[v + 1]] are the changed rows of variant v before the layer.
        row: (changes,) int32, numbers of rows of the image, increasing within a variant.
        users_start, user: what ``list_users`` gives for the layer.
        rows, n: rows of the image before and after the layer.
        n_threads: at most so many work on different variants; the result does not depend on it.
    
    Returns:
        (m + 1,) int64 and (changes,) int32: the same after the layer.
    
    Raises:
        ValueError: the text names variant or row, what was found and what was expected.
    """
def list_users(index: numpy.typing.NDArray[numpy.int32], rows: typing.SupportsInt | typing.SupportsIndex) -> tuple[numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.int32]]:
    """
    List the rows that use each row, for every place in their windows.
    
    Args:
        index: (n, k) int32, numbers of rows, or negative for none.
        rows: how many rows there are.
    
    Returns:
        (rows * k + 1,) int32: the users of row i at place k are ``user[start[i * k_max + k]:start[i * k_max + k + 1]]``.
        (links,) int32: the users, in increasing order for each row and place.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
def list_windows(index: numpy.typing.NDArray[numpy.int32], shape: tuple[int, int, int], half: int, stride: int = 1, skip: bool = False, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32]]:
    """
    The windows of an occlusion scan that cover charge; those that cover the same pixels are one.
    
    Args:
        index: (nnz,) int32. Flat numbers of an event's active pixels, row-major in ``shape``, strictly increasing.
        shape: (C, H, W).
        half: [pixels] a window spans ``2 * half + 1`` pixels in all channels, clipped at the borders; >= 0.
        stride: 1 puts a window around every pixel that is active in any channel; s > 1 around the middle (rounded
            down) of every s x s cell of the image, counted from pixel (0, 0).
        skip: leave out the windows that cross the border.
        n_threads: at most so many look at different windows; the result does not depend on their number.
    
    Returns:
        rows: (n,) int64. Row (drift tick) of each window's centre; centres come row by row.
        cols: (n,) int64. Column (wire) of each window's centre.
        number: (n,) int64. The window around each centre; u different ones, numbered as they appear.
        offsets: (u+1,) int64. Window w covers ``covered[offsets[w]:offsets[w+1]]``.
        covered: (m,) int32. Places in ``index``, strictly increasing within a window.
    
    Raises:
        ValueError: the text names the pixel, what was found and what was expected.
    """
def match_windows(ids: numpy.typing.NDArray[numpy.int32], kernel: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"], stride: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"], dilation: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"], before: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"], after: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"], beyond: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.int32]]:
    """
    Number the distinct windows of feature maps whose places carry numbers.
    
    Two windows of one map share a number if and only if they hold the same numbers at the same places; rows are numbered
    map by map, in the order of their first place (depth, height, width).
    
    Args:
        ids: (n, D, H, W) int32, any numbers; D = 1 for images.
        kernel, stride, dilation: of the window along the three axes, at least 1.
        before, after: padding along the three axes; its places have the number -1.
        beyond: places behind that padding, with the number -2: where a rounded-up number of windows looks past it.
        n_threads: at most so many work on different maps; the result does not depend on it.
    
    Returns:
        (n, d, h, w) int32: the row number of every window.
        (n+1,) int64: the first row of every map, and the number of rows.
        (rows, k) int32: the numbers in the window of a row, row-major in the kernel.
        (rows,) int32: how many windows a row stands for.
    
    Raises:
        ValueError: the text names the axis, what was given and what was expected.
    """
@typing.overload
def max_rows(source: numpy.typing.NDArray[numpy.float32], index: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float32], n_threads: int = 1) -> numpy.typing.NDArray[numpy.int32]:
    """
    Maximum of the rows of each window: out[j] = max over k of source[index[j, k]].
    
    Args:
        source: (rows, C) float32 or float64.
        index: (n, k) int32, numbers of rows, or negative for none.
        out: (n, C), C-contiguous; overwritten. A NaN is the maximum; a window without rows gives -inf.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Returns:
        (n, C) int32: the first place k that holds the maximum, or the last NaN; -1 without rows.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def max_rows(source: numpy.typing.NDArray[numpy.float64], index: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float64], n_threads: int = 1) -> numpy.typing.NDArray[numpy.int32]:
    """
    Maximum of the rows of each window: out[j] = max over k of source[index[j, k]].
    
    Args:
        source: (rows, C) float32 or float64.
        index: (n, k) int32, numbers of rows, or negative for none.
        out: (n, C), C-contiguous; overwritten. A NaN is the maximum; a window without rows gives -inf.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Returns:
        (n, C) int32: the first place k that holds the maximum, or the last NaN; -1 without rows.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
def most_charge(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], size: tuple[int, int], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.float64]]:
    """
    The window with the largest sum of charge, all channels together, among all that lie inside the image.
    
    Along an axis on which the window is larger than the image, it is the one with the image at its centre. Sums are
    exact: charges are whole multiples of 2^-s, s = 62 - bits(pixels of the image) - frexp(largest |charge|), to which
    those below 2^(24 - s) are rounded. Of equal sums the smallest top wins, then the smallest left.
    
    Args:
        offsets, index, value, shape, n_threads: as ``crop``.
        size: (height, width) of the window in pixels of the image.
    
    Returns:
        top (n,) int64, left (n,) int64, charge (n,) float64 in that window.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
@typing.overload
def normalise_rows(rows: numpy.typing.NDArray[numpy.float32], offsets: numpy.typing.NDArray[numpy.int64], count: numpy.typing.NDArray[numpy.int32], groups: typing.SupportsInt | typing.SupportsIndex, eps: typing.SupportsFloat | typing.SupportsIndex, weight: numpy.typing.NDArray[numpy.float32] | None, bias: numpy.typing.NDArray[numpy.float32] | None, out: numpy.typing.NDArray[numpy.float32], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Normalise rows that stand for several places, over the places of each image.
    
    Writes (row - mean) / sqrt(variance + eps) * weight + bias, with the mean and variance of an image and group of channels.
    They are taken in two passes in float64: neither other images nor the number of threads change a bit.
    
    Args:
        rows: (rows, C) float32 or float64.
        offsets: (n+1,) int64. Image i owns ``rows[offsets[i]:offsets[i+1]]``.
        count: (rows,) int32, how many places of its image a row stands for.
        groups: of neighbouring channels; divides C.
        eps: added to the variance.
        weight, bias: (C,), dtype of rows, or None for 1 and 0.
        out: (rows, C), dtype of rows, C-contiguous; overwritten.
        n_threads: at most so many work on different images, channels or rows.
    
    Returns:
        (n, C) float64 means and (n, C) float64 variances; NaN for an image without rows.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
@typing.overload
def normalise_rows(rows: numpy.typing.NDArray[numpy.float64], offsets: numpy.typing.NDArray[numpy.int64], count: numpy.typing.NDArray[numpy.int32], groups: typing.SupportsInt | typing.SupportsIndex, eps: typing.SupportsFloat | typing.SupportsIndex, weight: numpy.typing.NDArray[numpy.float64] | None, bias: numpy.typing.NDArray[numpy.float64] | None, out: numpy.typing.NDArray[numpy.float64], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Normalise rows that stand for several places, over the places of each image.
    
    Writes (row - mean) / sqrt(variance + eps) * weight + bias, with the mean and variance of an image and group of channels.
    They are taken in two passes in float64: neither other images nor the number of threads change a bit.
    
    Args:
        rows: (rows, C) float32 or float64.
        offsets: (n+1,) int64. Image i owns ``rows[offsets[i]:offsets[i+1]]``.
        count: (rows,) int32, how many places of its image a row stands for.
        groups: of neighbouring channels; divides C.
        eps: added to the variance.
        weight, bias: (C,), dtype of rows, or None for 1 and 0.
        out: (rows, C), dtype of rows, C-contiguous; overwritten.
        n_threads: at most so many work on different images, channels or rows.
    
    Returns:
        (n, C) float64 means and (n, C) float64 variances; NaN for an image without rows.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
@typing.overload
def normalise_slopes(rows: numpy.typing.NDArray[numpy.float32], offsets: numpy.typing.NDArray[numpy.int64], count: numpy.typing.NDArray[numpy.int32], groups: typing.SupportsInt | typing.SupportsIndex, eps: typing.SupportsFloat | typing.SupportsIndex, weight: numpy.typing.NDArray[numpy.float32] | None, slope: numpy.typing.NDArray[numpy.float32], mean: numpy.typing.NDArray[numpy.float64], variance: numpy.typing.NDArray[numpy.float64], out: numpy.typing.NDArray[numpy.float32], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Gradient of ``normalise_rows``.
    
    Args:
        rows, offsets, count, groups, eps, weight: as there.
        slope: (rows, C), dtype of rows: gradient with respect to a row of the result, summed over its places.
        mean, variance: (n, C) float64, what ``normalise_rows`` gave.
        out: (rows, C), dtype of rows, C-contiguous; overwritten with the gradient with respect to the rows.
        n_threads: at most so many work on different images, channels or rows; the result does not depend on it.
    
    Returns:
        (n, C) float64 gradients of weight and (n, C) float64 gradients of bias, of each image.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
@typing.overload
def normalise_slopes(rows: numpy.typing.NDArray[numpy.float64], offsets: numpy.typing.NDArray[numpy.int64], count: numpy.typing.NDArray[numpy.int32], groups: typing.SupportsInt | typing.SupportsIndex, eps: typing.SupportsFloat | typing.SupportsIndex, weight: numpy.typing.NDArray[numpy.float64] | None, slope: numpy.typing.NDArray[numpy.float64], mean: numpy.typing.NDArray[numpy.float64], variance: numpy.typing.NDArray[numpy.float64], out: numpy.typing.NDArray[numpy.float64], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Gradient of ``normalise_rows``.
    
    Args:
        rows, offsets, count, groups, eps, weight: as there.
        slope: (rows, C), dtype of rows: gradient with respect to a row of the result, summed over its places.
        mean, variance: (n, C) float64, what ``normalise_rows`` gave.
        out: (rows, C), dtype of rows, C-contiguous; overwritten with the gradient with respect to the rows.
        n_threads: at most so many work on different images, channels or rows; the result does not depend on it.
    
    Returns:
        (n, C) float64 gradients of weight and (n, C) float64 gradients of bias, of each image.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
def occlude(index: numpy.typing.NDArray[numpy.int32], fill: numpy.typing.NDArray[numpy.float32], offsets: numpy.typing.NDArray[numpy.int64], covered: numpy.typing.NDArray[numpy.int32], which: numpy.typing.NDArray[numpy.int64], out: numpy.typing.NDArray[numpy.float32], before: numpy.typing.NDArray[numpy.int64] | None = None, value: numpy.typing.NDArray[numpy.float32] | None = None, n_threads: int = 1) -> None:
    """
    Write the pixels that a window covers, and only those, into dense images that hold the event already.
    
    Args:
        index: (nnz,) int32. Flat numbers of the event's active pixels, row-major in (C, H, W).
        fill: (nnz,) float32 [ADC]. What each of these pixels becomes where a window covers it.
        offsets: (u+1,) int64, of ``list_windows``.
        covered: (m,) int32, of ``list_windows``.
        which: (B,) int64. Number of the window of each image.
        out: (B, C, H, W) float32, writeable, C-contiguous; changed in place.
        before: (B,) int64. Number of the window that was written into each image last, whose pixels are restored first;
            -1 for none. By default none was.
        value: (nnz,) float32 [ADC]. The event's pixels, to be given with ``before``.
        n_threads: at most so many work on different images; the result does not depend on their number.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected; ``out`` is then unspecified.
    """
def rotate(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], degrees: numpy.typing.NDArray[numpy.float64], n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Rotate sparse images about their centre, counter-clockwise with rows upwards.
    
    The charge of a pixel goes to the four pixels around its rotated centre in bilinear shares, so that charge and centre of
    charge stay and lines have no holes. Multiples of 90 degrees move whole pixels where the centre allows it.
    
    Args:
        offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
        index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W), strictly increasing in an image.
        value: (nnz,) float32 [ADC], finite.
        shape: (C, H, W).
        degrees: (n,) float64. Angle of each image.
        n_threads: at most so many work on different images; the result does not depend on it.
    
    Returns:
        offsets (n+1,) int64; index int32; value float32, no zeros, sums made in double; bad (n,) int64, zeros;
        cut (n,) int64, pixels of the image whose rotated centre is outside it.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected.
    """
@typing.overload
def scatter_rows(source: numpy.typing.NDArray[numpy.float32], start: numpy.typing.NDArray[numpy.int32], user: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float32], which: numpy.typing.NDArray[numpy.int32] | None = None, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum over the users of each row: out[i] = sum over k and users j of source[j].
    
    It is the transposed of ``gather_rows``: sums in a fixed order, without atomics.
    
    Args:
        source: (n, C), or (n, k, C): the user j at place k then gives ``source[j, k]``. dtypes as in ``gather_rows``.
        start, user: what ``list_users`` gives; start may be a part of it, for as many rows as out has.
        out: (rows, C), C-contiguous; overwritten. If it is (rows, k, C), the places in the window stay apart.
        which: (n, C) int32: a channel of j counts only where it is the user's place k (what ``max_rows`` gives).
        first: number of the first user in source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def scatter_rows(source: numpy.typing.NDArray[numpy.float64], start: numpy.typing.NDArray[numpy.int32], user: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float64], which: numpy.typing.NDArray[numpy.int32] | None = None, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum over the users of each row: out[i] = sum over k and users j of source[j].
    
    It is the transposed of ``gather_rows``: sums in a fixed order, without atomics.
    
    Args:
        source: (n, C), or (n, k, C): the user j at place k then gives ``source[j, k]``. dtypes as in ``gather_rows``.
        start, user: what ``list_users`` gives; start may be a part of it, for as many rows as out has.
        out: (rows, C), C-contiguous; overwritten. If it is (rows, k, C), the places in the window stay apart.
        which: (n, C) int32: a channel of j counts only where it is the user's place k (what ``max_rows`` gives).
        first: number of the first user in source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def scatter_rows(source: numpy.typing.NDArray[numpy.uint16], start: numpy.typing.NDArray[numpy.int32], user: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.float32], which: numpy.typing.NDArray[numpy.int32] | None = None, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum over the users of each row: out[i] = sum over k and users j of source[j].
    
    It is the transposed of ``gather_rows``: sums in a fixed order, without atomics.
    
    Args:
        source: (n, C), or (n, k, C): the user j at place k then gives ``source[j, k]``. dtypes as in ``gather_rows``.
        start, user: what ``list_users`` gives; start may be a part of it, for as many rows as out has.
        out: (rows, C), C-contiguous; overwritten. If it is (rows, k, C), the places in the window stay apart.
        which: (n, C) int32: a channel of j counts only where it is the user's place k (what ``max_rows`` gives).
        first: number of the first user in source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
@typing.overload
def scatter_rows(source: numpy.typing.NDArray[numpy.float32], start: numpy.typing.NDArray[numpy.int32], user: numpy.typing.NDArray[numpy.int32], out: numpy.typing.NDArray[numpy.uint16], which: numpy.typing.NDArray[numpy.int32] | None = None, first: typing.SupportsInt | typing.SupportsIndex = 0, n_threads: int = 1) -> None:
    """
    Sum over the users of each row: out[i] = sum over k and users j of source[j].
    
    It is the transposed of ``gather_rows``: sums in a fixed order, without atomics.
    
    Args:
        source: (n, C), or (n, k, C): the user j at place k then gives ``source[j, k]``. dtypes as in ``gather_rows``.
        start, user: what ``list_users`` gives; start may be a part of it, for as many rows as out has.
        out: (rows, C), C-contiguous; overwritten. If it is (rows, k, C), the places in the window stay apart.
        which: (n, C) int32: a channel of j counts only where it is the user's place k (what ``max_rows`` gives).
        first: number of the first user in source, of which it may hold a part.
        n_threads: at most so many work on different rows; the result does not depend on it.
    
    Raises:
        ValueError: the text names the row, what was found and what was expected.
    """
def select(pairs: numpy.typing.NDArray[numpy.float32], corner: tuple[int, int], size: tuple[int, int], energy_min: typing.SupportsFloat | typing.SupportsIndex = ..., after: typing.SupportsFloat | typing.SupportsIndex = ..., before: typing.SupportsFloat | typing.SupportsIndex = ..., n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64]]:
    """
    The cells with energy of images of interleaved energies and times.
    
    Args:
        pairs: (n, H, W, 2) float32. Energy and time of every cell; one without energy is empty whatever its time.
        corner: (row, column) of the first cell of the window that is kept.
        size: (rows, columns) of that window.
        energy_min: only cells with more energy, compared as float64.
        after, before: only times strictly between, compared as float64.
        n_threads: at most so many work on different images; the result does not depend on their number.
    
    Returns:
        offsets: (n+1,) int64. Image i owns ``cell[offsets[i]:offsets[i+1]]``.
        cell: (m,) int32. Number of the cell in the window, row-major, increasing in an image.
        energy, time: (m,) float32.
        bad: (n,) int64. Cells of the whole image whose energy or time is NaN or infinite; they are left out.
    
    Raises:
        ValueError: a window that is not inside the images, or a limit that is NaN.
    """
def sparsify(pixels: numpy.typing.NDArray[numpy.float32], starts: numpy.typing.NDArray[numpy.int64], rows: numpy.typing.NDArray[numpy.int64], cols: numpy.typing.NDArray[numpy.int64], shape: tuple[int, int], adc_lo: typing.SupportsFloat | typing.SupportsIndex, adc_hi: typing.SupportsFloat | typing.SupportsIndex, row_major: bool, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Sparse images from float32 pixels in memory.
    
    Args:
        pixels: (m,) float32 [ADC].
        starts: (n, C) int64. Where channel c of image e begins in ``pixels``; -1 leaves the channel empty.
        rows: (n, C) int64. Rows (drift ticks) of that image.
        cols: (n, C) int64. Columns (wires) of that image.
        shape: (H, W) to centre every image into, by (H - rows) / 2 and (W - cols) / 2 truncated toward zero.
        adc_lo: [ADC] pixels below are dropped; -inf keeps all.
        adc_hi: [ADC] pixels above become adc_hi; inf keeps all.
        row_major: images are stored row by row (C order), else column by column.
        n_threads: at most so many work on different images; the result does not depend on their number.
    
    Returns:
        offsets, index, value, bad, cut, as ``decode_image2d``.
    
    Raises:
        ValueError: an image outside ``pixels``; the text names the image, what was found and what was expected.
    """
@typing.overload
def swap_axes(tables: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.float32], n_threads: int = 1) -> None:
    """
    Write the tables with rows and columns swapped: out[i, c, r] = tables[i, r, c].
    
    Args:
        tables: (n, rows, columns) float32 or float64.
        out: (n, columns, rows), dtype of tables, C-contiguous; overwritten. It must not share memory with tables.
        n_threads: at most so many work on different parts.
    
    Raises:
        ValueError: the text names the argument, what was found and what was expected.
    """
@typing.overload
def swap_axes(tables: numpy.typing.NDArray[numpy.float64], out: numpy.typing.NDArray[numpy.float64], n_threads: int = 1) -> None:
    """
    Write the tables with rows and columns swapped: out[i, c, r] = tables[i, r, c].
    
    Args:
        tables: (n, rows, columns) float32 or float64.
        out: (n, columns, rows), dtype of tables, C-contiguous; overwritten. It must not share memory with tables.
        n_threads: at most so many work on different parts.
    
    Raises:
        ValueError: the text names the argument, what was found and what was expected.
    """
def voxelise(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], energy: int, time: int, edges: numpy.typing.NDArray[numpy.float64], n_frames: int, energy_above: typing.SupportsFloat | typing.SupportsIndex = 0.0, after: typing.SupportsFloat | typing.SupportsIndex = ..., until: typing.SupportsFloat | typing.SupportsIndex = ..., cumulative: bool = False, right_closed: bool = True, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Space-time frames of sparse images that hold a channel of energies and one of times.
    
    Args:
        offsets, index, value, shape, n_threads: as ``crop``.
        energy, time: numbers of the two channels; a pixel without a stored time has time 0.
        edges: (b+1,) float64, strictly increasing. Bin k of the time is frame k; float32 times are compared as float64.
        n_frames: of the result, >= b; those beyond the last bin stay empty.
        energy_above: only pixels with more energy, compared as float64.
        after, until: only times between, closed as a bin is.
        cumulative: a pixel is in the frame of its bin and all later bins' (in all, if its time is before the first
            edge), else in the frame of its bin alone.
        right_closed: bins are lo < t <= hi, else lo <= t < hi.
    
    Returns:
        offsets (n+1,) int64; index int32, row-major in (n_frames, H, W); value float32, the energies; bad (n,) int64,
        zeros; cut (n,) int64, pixels above the threshold that are in no frame.
    
    Raises:
        ValueError: the text names the image or the edge, what was found and what was expected.
    """
def voxelise_cells(offsets: numpy.typing.NDArray[numpy.int64], cell: numpy.typing.NDArray[numpy.int32], energy: numpy.typing.NDArray[numpy.float32], time: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int], edges: numpy.typing.NDArray[numpy.float64], n_frames: int, energy_above: typing.SupportsFloat | typing.SupportsIndex = 0.0, after: typing.SupportsFloat | typing.SupportsIndex = ..., until: typing.SupportsFloat | typing.SupportsIndex = ..., cumulative: bool = False, right_closed: bool = True, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    The frames of ``voxelise`` of cells that come with their energies and times, as ``select`` gives them.
    
    Args:
        offsets: (n+1,) int64. Image i owns ``cell[offsets[i]:offsets[i+1]]``.
        cell: (m,) int32. Numbers of cells, row-major in ``shape``, strictly increasing in an image.
        energy, time: (m,) float32, finite. A cell without energy is in no frame.
        shape: (H, W).
        edges, n_frames, energy_above, after, until, cumulative, right_closed, n_threads: as ``voxelise``.
    
    Returns:
        offsets, index, value, bad, cut, as ``voxelise``.
    
    Raises:
        ValueError: as ``voxelise``.
    """
def voxelise_dense(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], shape: tuple[int, int, int], energy: int, time: int, edges: numpy.typing.NDArray[numpy.float64], out: numpy.typing.NDArray[numpy.float32], energy_above: typing.SupportsFloat | typing.SupportsIndex = 0.0, after: typing.SupportsFloat | typing.SupportsIndex = ..., until: typing.SupportsFloat | typing.SupportsIndex = ..., cumulative: bool = False, right_closed: bool = True, n_threads: int = 1) -> None:
    """
    The frames of ``voxelise``, dense.
    
    Args:
        out: (n, n_frames, H, W) float32, writeable, C-contiguous, apart from ``value``; overwritten.
        offsets, index, value, shape, energy, time, edges, energy_above, after, until, cumulative, right_closed, n_threads:
            as ``voxelise``.
    
    Raises:
        ValueError: as ``voxelise``; ``out`` is then unspecified.
    """
@typing.overload
def voxelise_hits(offsets: numpy.typing.NDArray[numpy.int64], x: numpy.typing.NDArray[numpy.float32], y: numpy.typing.NDArray[numpy.float32], t: numpy.typing.NDArray[numpy.float32], charge: numpy.typing.NDArray[numpy.float32], x_edges: numpy.typing.NDArray[numpy.float64], y_edges: numpy.typing.NDArray[numpy.float64], t_edges: numpy.typing.NDArray[numpy.float64], right_closed: bool = False, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Lists of hits as sparse images of (bins of t, bins of y, bins of x), the charges in a voxel summed.
    
    They are added in the order of the hits, in double, and rounded once to float32.
    
    Args:
        offsets: (n+1,) int64. Event i owns the hits ``offsets[i]:offsets[i+1]``.
        x, y, t, charge: (m,) float64, or all float32: position, time, charge or energy, in any unit.
        x_edges, y_edges, t_edges: float64, strictly increasing, in the same units.
        right_closed: bins are lo < x <= hi, else lo <= x < hi, on all axes.
        n_threads: at most so many work on different events; the result does not depend on it.
    
    Returns:
        offsets, index, value as ``crop``; bad (n,) int64, hits with a NaN or infinite number; cut (n,) int64, hits
        outside the edges.
    
    Raises:
        ValueError: the text names the event or the edge, what was found and what was expected.
    """
@typing.overload
def voxelise_hits(offsets: numpy.typing.NDArray[numpy.int64], x: numpy.typing.NDArray[numpy.float64], y: numpy.typing.NDArray[numpy.float64], t: numpy.typing.NDArray[numpy.float64], charge: numpy.typing.NDArray[numpy.float64], x_edges: numpy.typing.NDArray[numpy.float64], y_edges: numpy.typing.NDArray[numpy.float64], t_edges: numpy.typing.NDArray[numpy.float64], right_closed: bool = False, n_threads: int = 1) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Lists of hits as sparse images of (bins of t, bins of y, bins of x), the charges in a voxel summed.
    
    They are added in the order of the hits, in double, and rounded once to float32.
    
    Args:
        offsets: (n+1,) int64. Event i owns the hits ``offsets[i]:offsets[i+1]``.
        x, y, t, charge: (m,) float64, or all float32: position, time, charge or energy, in any unit.
        x_edges, y_edges, t_edges: float64, strictly increasing, in the same units.
        right_closed: bins are lo < x <= hi, else lo <= x < hi, on all axes.
        n_threads: at most so many work on different events; the result does not depend on it.
    
    Returns:
        offsets, index, value as ``crop``; bad (n,) int64, hits with a NaN or infinite number; cut (n,) int64, hits
        outside the edges.
    
    Raises:
        ValueError: the text names the event or the edge, what was found and what was expected.
    """
