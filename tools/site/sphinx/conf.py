"""How Sphinx makes the web edition. `tools/site/command.py` calls it, and says the rest."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "DQN-GAN"
author = "the authors of the course"
html_title = "DQN-GAN: a hands-on course"
language = "en"
extensions = ["myst_nb", "course_site"]
exclude_patterns = ["notebooks/gallery", "notebooks/figures"]
root_doc = os.environ.get("SITE_ROOT", "index")

# The notebooks are shown as they are stored; nothing is run.
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_mime_priority_overrides = [("*", "text/markdown", 0)]
myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_labels = False
myst_dmath_double_inline = True
myst_heading_anchors = 4
smartquotes = False
# One long page, for the PDF, leaves pages out.
suppress_warnings = ["toc.not_included"] if root_doc != "index" else []

html_theme = "sphinx_book_theme"
html_static_path = ["static"]
html_css_files = ["katex.min.css", "course.css"]
html_js_files = ["course.js"]
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}
html_use_index = False
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
repository = os.environ.get("SITE_REPOSITORY")
html_theme_options = {
    # The search is beside each page already; without this it stands above it once more.
    **{f"navbar_{place}": [] for place in ("start", "center", "end", "persistent")},
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
    "navigation_with_keys": False,
    "use_repository_button": bool(repository),
    "repository_url": f"https://github.com/{repository}" if repository else "",
    "extra_footer": "Code: MIT licence. Text and figures: CC BY 4.0.",
}
