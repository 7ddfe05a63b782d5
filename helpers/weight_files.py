"""What an HDF5 file of weights may hold: no more than the network, unpacked too, and nothing of other files."""

import math
import zlib
from pathlib import Path

import h5py
import keras

_DEFLATE, _LENGTH_KEEPING = h5py.h5z.FILTER_DEFLATE, {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def check(path: Path, model: keras.Model) -> None:
    """Look through a file before its numbers are read.

    Keras refuses an array of more than 4 GiB; a file of some kilobytes could still have it take 8 GiB of memory.

    Raises:
        ValueError: it declares or unpacks to far more numbers than the model has, leads to other files, or is packed
            in another way than once by deflate.
        OSError: it is no HDF5 file.
    """
    most = 2 * sum(4 * weight.shape.num_elements() for weight in model.weights) + (1 << 20)  # bytes; float64 fits
    arrays, links = [], []
    with h5py.File(path) as file:
        file.visititems_links(lambda name, link: links.append(link))  # an error in here would be a SystemError
        file.visititems(lambda name, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
        is_elsewhere = any(array.external or array.is_virtual for array in arrays)
        if is_elsewhere or not all(isinstance(link, h5py.HardLink) for link in links):
            raise ValueError("it leads to other files")
        if sum(array.size * array.dtype.itemsize for array in arrays) > most:
            raise ValueError("it is far too large")
        for array in arrays:
            if array.chunks:
                _check_chunks(array, most)


def _check_chunks(array: h5py.Dataset, most: int) -> None:
    """Check the pieces that an array is stored in. A piece may reach beyond its array, and is read as a whole.

    HDF5 takes as much memory as a piece unpacks to, whatever size was declared.
    """
    size, settings = math.prod(array.chunks) * array.dtype.itemsize, array.id.get_create_plist()
    if size > most:
        raise ValueError("it has a piece that is far too large")
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if not set(filters) <= {_DEFLATE, *_LENGTH_KEEPING} or filters.count(_DEFLATE) > 1:
        raise ValueError("it is packed in another way than once by deflate")
    size += 4 * filters.count(h5py.h5z.FILTER_FLETCHER32)  # checksums, packed too where they come before deflate
    pieces = []
    array.id.chunk_iter(pieces.append)
    for piece in pieces if _DEFLATE in filters else ():
        left_out, packed = array.id.read_direct_chunk(piece.chunk_offset)
        is_packed = not left_out >> filters.index(_DEFLATE) & 1
        if is_packed and len(zlib.decompressobj().decompress(packed, size + 1)) > size:
            raise ValueError("it has a piece that unpacks to far more than it declares")
