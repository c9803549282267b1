"""A reader for files of MedMNIST, small medical pictures with labels, where a reader has one.

J. Yang et al. (2023), MedMNIST v2, *Scientific Data*, 2110.14795. The course neither brings nor
fetches such a file. Who has one, `pneumoniamnist.npz` for example, can use real pictures.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch

from dqngan_lib.applications.medical.tissue import Patches
from dqngan_lib.course.arguments import require

PARTS = ("train", "val", "test")
"""What a file holds, in its own words: for training, validation and test."""


def read_medmnist(path: str | Path) -> tuple[Patches, Patches, Patches]:
    """Return the pictures of a MedMNIST file for training, validation and test.

    Args:
        path: A file such as `pneumoniamnist.npz`, of flat pictures with one label each.

    Returns:
        Three sets: images float32 `(n, 1, side, side)`, or `(n, 3, side, side)` in colour, in
        [0, 1], and labels int64 `(n,)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged or no MedMNIST file, or its pictures have depth or many labels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: give the path of a MedMNIST file (.npz)")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged or no .npz file of plain numbers ({error})") from error
    train, validation, test = (_part(path, arrays, name) for name in PARTS)
    return train, validation, test


def _part(path: Path, arrays: dict[str, np.ndarray], name: str) -> Patches:
    """Return one of the three parts after checking its shapes."""
    keys = f"{name}_images", f"{name}_labels"
    for key in keys:
        require(key in arrays, f"{path}: the arrays", sorted(arrays), f"such that {key} is there")
    images, labels = (arrays[key] for key in keys)
    colour = images.ndim == 4 and images.shape[3] == 3
    flat = images.dtype == np.uint8 and (images.ndim == 3 or colour) and len(images) > 0
    allowed = "uint8 (n, side, side) or (n, side, side, 3)"
    require(flat, f"{path}: {keys[0]}", f"{images.dtype} {images.shape}", allowed)
    single = labels.shape in ((len(images), 1), (len(images),)) and labels.dtype.kind in "iu"
    allowed = f"whole numbers ({len(images)}, 1), one label a picture"
    require(single, f"{path}: {keys[1]}", f"{labels.dtype} {labels.shape}", allowed)
    pictures = torch.from_numpy(images).float() / 255
    pictures = pictures.permute(0, 3, 1, 2).contiguous() if colour else pictures.unsqueeze(1)
    return Patches(pictures, torch.from_numpy(labels.astype(np.int64)).flatten())
