"""How the pages of this folder become a site: ``sphinx-build -W --keep-going -n docs OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

import cowstate

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "cowstate"
author = "The cowstate developers"
copyright = "The cowstate developers"  # noqa: A001
release = cowstate.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    # Ours, in `_site`.
    "public",
    "contents",
    "docstrings",
    "elsewhere",
    "names",
    "for_machines",
    "dead_ends",
]
exclude_patterns = ["_site"]

# The pages are Markdown as forges show it, and nothing else.
myst_heading_anchors = 6
myst_linkify_fuzzy_links = False

# In docstrings names of this package stand in single backticks.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
toc_object_entries_show_parents = "hide"
modindex_common_prefix = ["cowstate."]

html_theme = "furo"
html_title = f"cowstate {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"defer": "defer"})]
templates_path = ["_site/templates"]
html_show_copyright = False
html_copy_source = True
html_theme_options = {
    "navigation_with_keys": True,
}

# Of links to other sites, which `_site/abroad.py` has looked at. Who asks for a longer pause is
# named as busy; GitHub makes the places of a page in the browser.
linkcheck_ignore = [r"http://(127\.0\.0\.1|localhost)\b"]  # of the reader's own machine
linkcheck_timeout = 8
linkcheck_workers = 16
linkcheck_retries = 2
linkcheck_rate_limit_timeout = 20
linkcheck_anchors_ignore_for_url = [r"https://github\.com/"]

llms_summary = (
    "Copy-on-write immutable state for concurrent Python: one atomic reference to a persistent map "
    "of immutable records, consistent snapshots without locks, conflicts instead of lost updates."
)
