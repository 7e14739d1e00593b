"""Jinja templates of reports, and what all pages share.

The folder `page` has the frame of a page, its style, and scripts for a chart
and a sortable table.
"""

import math

import jinja2
import markupsafe

_SHARED = jinja2.ChoiceLoader(
    [
        jinja2.PackageLoader(__package__, folder)
        for folder in ("page", "templates")
    ]
)
NO_VALUE = "–"


def environment(
    templates: jinja2.BaseLoader, is_html: bool
) -> jinja2.Environment:
    """A Jinja environment whose templates can use the shared ones.

    In HTML all values are escaped.

    Args:
        templates: jinja2 loader of further templates.
        is_html: bool.
    """
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([templates, _SHARED]),
        autoescape=is_html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Keys keep their order.
    made.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "separators": (",", ":"),
    }
    made.filters["number"] = number
    made.globals["verbatim"] = lambda name: markupsafe.Markup(
        made.loader.get_source(made, name)[0]
    )
    return made


def is_finite_number(value) -> bool:
    """Whether a value can be on an axis."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def number(value) -> str:
    """A value for people, as the script `numbers.js` formats it."""
    if value is None:
        return NO_VALUE
    if not is_finite_number(value):
        return str(value)
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{4 if abs(value) < 100 else 1}f}"
