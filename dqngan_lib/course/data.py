"""The three data sets that come with the course, checked and ready as tensors."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import require

Network = TypeVar("Network", bound=nn.Module)

CHECKSUMS = {
    "mnist10k.npz": "0217e13bd0668deb198aa7d305edbf0331eb89f8a6e7dd226e03d1aa3a9bd4ef",
    "mni152_t1_slices.npz": "9b73204b6e651ed3ec9732463df54988910b87bc24506e799f8a1e56dc90f5a1",
    "photos.npz": "46234937a2aa5afa9ad710b198c23a2e2240d3d91a8aea12c31da550034cf730",
}
"""SHA-256 of each file in `data/`."""


@dataclass(frozen=True)
class Digits:
    """Handwritten digits: images float32 `(n, 1, side, side)` in [0, 1], labels int64 `(n,)`."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


@dataclass(frozen=True)
class BrainSlices:
    """MR slices float32 `(n, 1, 64, 64)` in [0, 1], tissue maps int64 `(n, 64, 64)`, heights.

    Tissue is 0 for background or fluid, 1 for grey and 2 for white matter. `z_mm` is the height
    of each slice in millimetres. An average of 152 adults, not a patient.
    """

    train_images: Tensor
    train_tissue: Tensor
    train_z_mm: Tensor
    test_images: Tensor
    test_tissue: Tensor
    test_z_mm: Tensor


def data_folder() -> Path:
    """Return the folder of the data files: `COURSE_DATA`, else `data/` beside the package."""
    return Path(os.environ.get("COURSE_DATA") or Path(__file__).resolve().parents[2] / "data")


def check_file(path: Path, sha256: str, or_else: str = "") -> None:
    """Raise an error that says what to do unless a file is there and has this SHA-256."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: copy it from the course's repository{or_else}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is damaged: expected SHA-256 {sha256}, found {found}. "
            f"Copy it again from the course's repository."
        )


def load_weights(make: Callable[[], Network], path: Path, sha256: str) -> Network:
    """Return a network with stored weights, in evaluation mode, that no optimiser can change.

    Args:
        make: Returns a network of the right shape.
        path: The file of weights.
        sha256: Its SHA-256.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged.
    """
    check_file(path, sha256)
    # Its first weights are replaced at once: drawing them must not move the caller's numbers.
    with torch.random.fork_rng(devices=[]):
        network = make()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def load_arrays(name: str) -> dict[str, np.ndarray]:
    """Load the arrays of one file in `data/` after comparing its checksum.

    Args:
        name: One of the names in `CHECKSUMS`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The name is unknown, or the file is damaged.
    """
    require(name in CHECKSUMS, "name", name, f"one of {sorted(CHECKSUMS)}")
    path = data_folder() / name
    check_file(path, CHECKSUMS[name], ", or set COURSE_DATA")
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def digits(side: int = 28) -> Digits:
    """Return 8,000 digits to train on and 2,000 to test on.

    The first 10,000 training digits of MNIST (LeCun et al. 1998), shuffled with a fixed seed:
    the split is the same in every notebook, whatever the notebook's own seed.

    Args:
        side: Height and width in pixels, 28, 16, 14 or 7. Smaller ones are
            shrunk with antialiasing.

    Raises:
        ValueError: `side` is not one of these.
    """
    require(side in (28, 16, 14, 7), "side", side, "28, 16, 14 or 7")
    arrays = load_arrays("mnist10k.npz")
    order = np.random.default_rng(0).permutation(len(arrays["labels"]))
    images = torch.from_numpy(arrays["images"][order]).unsqueeze(1).float() / 255
    labels = torch.from_numpy(arrays["labels"][order]).long()
    if side != 28:
        images = torch.nn.functional.interpolate(
            images, size=(side, side), mode="bilinear", antialias=True
        )
    return Digits(images[:8000], labels[:8000], images[8000:], labels[8000:])


def brain_slices() -> BrainSlices:
    """Return 132 slices of the ICBM152 T1 template (Fonov et al. 2011) as train and test blocks.

    Neighbouring slices look alike. So the test slices are two blocks of 14, and the four slices
    on each side of a block belong to neither set.
    """
    arrays = load_arrays("mni152_t1_slices.npz")
    index = torch.arange(len(arrays["images"]))
    test = ((index >= 36) & (index < 50)) | ((index >= 84) & (index < 98))
    gap = ~test & (((index >= 32) & (index < 54)) | ((index >= 80) & (index < 102)))
    images = torch.from_numpy(arrays["images"]).unsqueeze(1).float() / 255
    tissue = torch.from_numpy(arrays["tissue"]).long()
    z_mm = torch.from_numpy(arrays["z_mm"]).long()
    train = ~test & ~gap
    return BrainSlices(
        images[train], tissue[train], z_mm[train], images[test], tissue[test], z_mm[test]
    )


def photos() -> dict[str, Tensor]:
    """Return eight colour photographs by name, each float32 `(3, 128, 128)` in [0, 1]."""
    arrays = load_arrays("photos.npz")
    images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).float() / 255
    return {str(name): image for name, image in zip(arrays["names"], images, strict=True)}


def full_dataset(name: str, folder: str | Path, download: bool = False) -> Digits:
    """Return all 60,000 and 10,000 images of MNIST or Fashion-MNIST, for readers who are online.

    No notebook needs it. torchvision fetches and reads the files. Who has them already puts the
    four, as they are or as `.gz`, into the folder `<name>/raw` inside `folder`.

    Args:
        name: "MNIST" or "FashionMNIST".
        folder: Where torchvision keeps its files.
        download: Fetch the files when they are not in `folder`.

    Raises:
        FileNotFoundError: Files are missing and `download` is False.
        ValueError: The name is unknown, or a file is damaged.
    """
    from torchvision import datasets

    require(name in ("MNIST", "FashionMNIST"), "name", name, "'MNIST' or 'FashionMNIST'")
    dataset, raw = getattr(datasets, name), Path(folder) / name / "raw"
    files = [raw / Path(packed).stem for packed, _ in dataset.resources]
    for file in files:
        _unpack(file.with_name(f"{file.name}.gz"), file)
    missing = [file.name for file in files if not file.is_file()]
    if missing and not download:
        raise FileNotFoundError(
            f"{', '.join(missing)} not found in {raw}; download=True fetches what is missing"
        )
    if missing:
        dataset(folder, download=True)
    parts: list[Tensor] = []
    for train in (True, False):
        try:
            part = dataset(folder, train=train)
            images, labels = part.data.unsqueeze(1).float() / 255, part.targets.long()
            if len(images) != len(labels):
                raise ValueError(f"{len(images)} images but {len(labels)} labels")
        except Exception as error:  # whatever torchvision trips over
            pair, why = raw / ("train" if train else "t10k"), str(error) or type(error).__name__
            raise ValueError(
                f"{pair}-… is damaged ({why}). Delete the two files that begin so, and fetch them "
                "again."
            ) from error
        parts += [images, labels]
    return Digits(*parts)


def _unpack(packed: Path, file: Path) -> None:
    """Unpack a `.gz` file if it is there and has not been unpacked yet."""
    if file.is_file() or not packed.is_file():
        return
    try:
        content = gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{packed} is damaged ({error}). Delete it, and fetch it again."
        ) from error
    file.write_bytes(content)
