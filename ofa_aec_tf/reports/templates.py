"""Reports from Jinja templates, with the parts that all pages share.

Those parts are in the folder `page`: the skeleton of a page, its style, and
scripts that draw a chart and a table that can be sorted.
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
    """Templates that may use and extend the shared ones.

    In HTML everything but the templates themselves is escaped.

    Args:
        templates: loader of the report's own templates.
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
    # Names come in the order of the report, and JSON has no infinity.
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
    """Whether a value can stand on an axis."""
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
