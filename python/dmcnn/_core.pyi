# Generated: python -m pybind11_stubgen dmcnn._core --output-dir <folder>; only these lines are by hand.
# fmt: off
# ruff: noqa: W293
"""
Loops over the pixels of sparse detector images. Every function releases the GIL.
"""
from __future__ import annotations
import numpy
import numpy.typing
import typing
__all__: list[str] = ['decode_image2d', 'densify', 'occlude', 'sparsify']
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
def densify(offsets: numpy.typing.NDArray[numpy.int64], index: numpy.typing.NDArray[numpy.int32], value: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.float32], orientation: numpy.typing.NDArray[numpy.uint8] | None = None) -> None:
    """
    Write sparse images into a dense batch, zeros included.
    
    Args:
        offsets: (B+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]``.
        index: (nnz,) int32. Flat pixel numbers, row-major in (C, H, W).
        value: (nnz,) float32 [ADC].
        out: (B, C, H, W) float32, writeable, C-contiguous; overwritten.
        orientation: (B,) uint8, a sum of 1 (swap H and W, square images only), 2 (then reverse H: rows, ticks) and
            4 (then reverse W: columns, wires); None leaves the images as they are.
    
    Raises:
        ValueError: the text names the image, what was found and what was expected; ``out`` is then unspecified.
    """
def occlude(image: numpy.typing.NDArray[numpy.float32], rows: numpy.typing.NDArray[numpy.int64], cols: numpy.typing.NDArray[numpy.int64], half: int, out: numpy.typing.NDArray[numpy.float32]) -> None:
    """
    Copies of one image, each with one square window set to zero in all channels.
    
    Args:
        image: (C, H, W) float32 [ADC].
        rows: (n,) int64. Row (drift tick) of each window's centre, inside the image.
        cols: (n,) int64. Column (wire) of each window's centre, inside the image.
        half: the window spans ``2 * half + 1`` pixels, clipped at the borders; >= 0.
        out: (n, C, H, W) float32, writeable, C-contiguous, apart from ``image``; overwritten.
    
    Raises:
        ValueError: the text names the window, what was found and what was expected; ``out`` is then unspecified.
    """
def sparsify(pixels: numpy.typing.NDArray[numpy.float32], starts: numpy.typing.NDArray[numpy.int64], rows: numpy.typing.NDArray[numpy.int64], cols: numpy.typing.NDArray[numpy.int64], shape: tuple[int, int], adc_lo: typing.SupportsFloat | typing.SupportsIndex, adc_hi: typing.SupportsFloat | typing.SupportsIndex, row_major: bool) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
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
    
    Returns:
        offsets, index, value, bad, cut, as ``decode_image2d``.
    
    Raises:
        ValueError: an image outside ``pixels``; the text names the image, what was found and what was expected.
    """
