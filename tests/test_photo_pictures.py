"""Any photograph can be painted, what is none is named, and both forms of upload are taken."""

import base64
import io
import re
import subprocess
import sys
import types

import pytest
import torch
from PIL import Image

from dqngan_lib.applications.art.brushes import brush_gains
from dqngan_lib.applications.art.photos import ENOUGH, fit_photo, read_photo
from dqngan_lib.applications.art.widgets import PhotoPainter, upload_advice, uploaded_file


def file_of(mode="RGB", size=(40, 30), kind="PNG", colour=None):
    data = io.BytesIO()
    Image.new(mode, size, colour or 0).save(data, format=kind)
    return data.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("L", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG"),
     ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "WEBP"), ("RGBA", "WEBP"),
     ("RGB", "AVIF"), ("P", "GIF"), ("RGB", "TIFF"), ("CMYK", "TIFF"), ("I;16", "TIFF"),
     ("RGB", "BMP"), ("RGB", "MPO")],
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
        (file_of(kind="ICO"), "is a ICO file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC file.*export it as JPEG.*Most Compatible"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC file"),
        (file_of(size=(400, 300), mode="L")[:60], "damaged|not an image"),
        (file_of(size=(4, 4)), "too small"),
    ],
)
def test_what_is_no_photograph_is_named(data, words):
    with pytest.raises(ValueError, match=words):
        read_photo(data)


def test_of_an_animation_the_first_picture_is_taken():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    assert read_photo(data.getvalue())[:, 8, 8].tolist() == [1, 0, 0]


@pytest.mark.parametrize("size", [(40, 30), (2_800, 1_400)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_taken_sideways_is_turned_also_when_made_smaller(kind, size):
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (0, 0, size[0] // 2, size[1]))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # the left side of the file is the top of the photograph
    data = io.BytesIO()
    picture.save(data, kind, exif=exif)
    photo = read_photo(data.getvalue())
    assert photo.shape[1] / photo.shape[2] == size[0] / size[1]
    assert ENOUGH <= min(photo.shape[1:]) < 2 * ENOUGH or size == (40, 30)
    top, bottom = (photo[:, row, 5].tolist() for row in (5, -5))
    assert top == pytest.approx([0, 0, 1], abs=0.1)
    assert bottom == pytest.approx([1, 0, 0], abs=0.1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_made_smaller_band_by_band_it_is_the_same_picture(mode):
    ramp = Image.linear_gradient("L").resize((2_000, 1_900)).convert(mode)
    data = io.BytesIO()
    ramp.save(data, "PNG")
    photo = read_photo(data.getvalue())
    assert photo.shape == (3, 950, 1_000)
    expected = torch.tensor(list(ramp.convert("L").reduce(2).tobytes())).reshape(950, 1_000) / 255
    assert (photo - expected).abs().max() < 0.01


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize(("kind", "mode", "most"), [("JPEG", "RGB", 200), ("PNG", "P", 400)])
def test_a_phone_s_largest_picture_needs_little_memory(tmp_path, kind, mode, most):
    """48 megapixels as float colours would be 580 MB, and several copies of it used to be made."""
    path = tmp_path / "large"
    Image.new(mode, (8_064, 6_048)).save(path, kind)
    code = (
        "import sys; from dqngan_lib.applications.art.photos import read_photo\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "before = peak(); print(read_photo(sys.argv[1]).shape[1], peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    side, kilobytes = map(int, run.stdout.split())
    assert ENOUGH <= side < 2 * ENOUGH
    assert kilobytes < most * 1_000


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


def test_the_widget_paints_an_upload_and_names_what_is_none(tmp_path):
    widget = PhotoPainter(brush_gains, {"grey": torch.full((3, 40, 40), 0.5)}, side=32)
    widget.strokes.value = 100
    widget.take({"a.png": {"content": file_of(colour=(200, 10, 10))}})
    assert widget.name == "a.png"
    widget.paint()
    assert "100 strokes" in widget.text.value
    assert widget.bar.value == widget.bar.max == 100
    before = widget.picture.value
    widget.take(({"name": "b.txt", "content": b"hello"},))
    assert "not an image" in widget.text.value
    assert widget.picture.value == before
    widget.film.value = True
    assert "svg" in widget.picture.value
    widget.choose("grey")
    assert "grey" in widget.text.value
    (tmp_path / "c.png").write_bytes(file_of(colour=(1, 2, 3)))
    widget.file.value = str(tmp_path / "c.png")
    assert widget.name == "c.png"
    widget.file.value = str(tmp_path / "none.png")
    assert "there is no file" in widget.text.value
    assert widget.name == "c.png"


def test_sizes_and_strokes_of_the_widget():
    widget = PhotoPainter(brush_gains, {"grey": torch.full((3, 300, 400), 0.5)})
    assert widget.photo.shape == (3, 256, 336)
    assert widget.strokes.value == 2_000
    widget.side.value = 512
    assert widget.photo.shape == (3, 512, 672)
    assert widget.strokes.value == 6_000


def test_the_widget_saves_picture_and_film():
    widget = PhotoPainter(brush_gains, {"a": torch.rand(3, 40, 60)}, side=32)
    widget.save_picture()
    assert "first" in widget.saved.value
    widget.strokes.value = 100
    widget.paint()
    for save, name, size in (
        (widget.save_picture, "a_painted.jpg", (2_048, 1_365)),
        (widget.save_film, "a_painted.webp", (768, 512)),
    ):
        save()
        assert f'download="{name}"' in widget.saved.value
        data = base64.b64decode(re.search(r"base64,([^\"]*)", widget.saved.value)[1])
        with Image.open(io.BytesIO(data)) as saved:
            assert saved.size == size


def test_an_upload_that_may_not_arrive_is_spoken_of(monkeypatch):
    monkeypatch.delenv("COURSE_UPLOAD", raising=False)
    assert "up to 10 MB" in upload_advice()
    monkeypatch.setenv("COURSE_UPLOAD", "64")
    assert "up to 64 MB" in upload_advice()


def test_on_colab_its_own_upload_is_used(monkeypatch):
    widget = PhotoPainter(brush_gains, {"a": torch.rand(3, 40, 60)}, side=32)
    with pytest.raises(RuntimeError, match="not Colab"):
        widget.ask()
    colab = types.ModuleType("google.colab")
    colab.files = types.SimpleNamespace(upload=lambda: {"mine.png": file_of(colour=(9, 9, 9))})
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    widget = PhotoPainter(brush_gains, {"a": torch.rand(3, 40, 60)}, side=32)
    assert widget.upload not in widget.widget.children[0].children
    assert "ask()" in upload_advice()
    widget.ask()
    assert widget.name == "mine.png"
    assert widget.photo.mean() < 0.1
