"""Any photograph can be painted, what is none is named, and both forms of upload are taken."""

import io

import pytest
import torch
from PIL import Image

from dqngan_lib.applications.art.brushes import brush_gains
from dqngan_lib.applications.art.photos import fit_photo, read_photo
from dqngan_lib.applications.art.widgets import PhotoPainter, uploaded_file


def file_of(mode="RGB", size=(40, 30), kind="PNG", colour=None):
    data = io.BytesIO()
    Image.new(mode, size, colour or 0).save(data, format=kind)
    return data.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("L", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG"),
     ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG")],
)  # fmt: skip
def test_every_kind_of_picture_is_read(mode, kind):
    picture = read_photo(file_of(mode, kind=kind))
    assert picture.shape == (3, 30, 40)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_what_is_transparent_is_white():
    assert (read_photo(file_of("RGBA", colour=(255, 0, 0, 0))) == 1).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is not an image"),
        (file_of(kind="GIF"), "is a GIF file"),
        (file_of(size=(400, 300), mode="L")[:60], "damaged|not an image"),
        (file_of(size=(4, 4)), "too small"),
    ],
)
def test_what_is_no_photograph_is_named(data, words):
    with pytest.raises(ValueError, match=words):
        read_photo(data)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        read_photo(tmp_path / "no.png")
    with pytest.raises(TypeError, match="source must be"):
        read_photo(3)


@pytest.mark.parametrize("size", [(30, 40), (500, 200), (9, 400), (112, 112), (301, 299)])
def test_any_size_fits(size):
    fitted = fit_photo(torch.rand(3, *size), 56)
    assert min(fitted.shape[1:]) == 56
    assert all(side % 8 == 0 and side <= 168 for side in fitted.shape[1:])


def test_uploads_of_both_versions_are_understood():
    content = file_of()
    new = ({"name": "a.png", "content": memoryview(content)},)
    old = {"a.png": {"metadata": {"name": "a.png"}, "content": content}}
    assert uploaded_file(new) == uploaded_file(old) == ("a.png", content)
    assert uploaded_file(()) is None
    assert uploaded_file({}) is None


def test_the_widget_paints_an_upload_and_names_what_is_none():
    widget = PhotoPainter(brush_gains, {"grey": torch.full((3, 40, 40), 0.5)}, side=32)
    widget.strokes.value = 100
    widget.take({"a.png": {"content": file_of(colour=(200, 10, 10))}})
    assert widget.name == "a.png"
    widget.paint()
    assert "100 strokes" in widget.text.value
    before = widget.picture.value
    widget.take(({"name": "b.txt", "content": b"hello"},))
    assert "not an image" in widget.text.value
    assert widget.picture.value == before
    widget.film.value = True
    assert "svg" in widget.picture.value
    widget.choose("grey")
    assert "grey" in widget.text.value
