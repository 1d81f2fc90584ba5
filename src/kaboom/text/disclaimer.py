"""The disclaimer that is on each analysis, and on each message about one."""

from collections.abc import Mapping
from types import MappingProxyType

from kaboom.text.catalogue import Language, gettext, gettext_noop

#: By whether models wrote an analysis, not the fixed rules; None where that is not known.
_WRITTEN: Mapping[bool | None, str] = MappingProxyType(
    {
        True: gettext_noop("This analysis was generated automatically by AI models for information only. "),
        False: gettext_noop("This analysis was generated automatically by fixed rules for information only. "),
        None: gettext_noop(
            "This analysis was generated automatically, by AI models or by fixed rules, for information only. "
        ),
    }
)
_DISCLAIMER = gettext_noop(
    "It is neither an investment solicitation nor investment advice. Its accuracy and completeness are not "
    "guaranteed. You are responsible for your own investment decisions."
)
#: The additional sentence about backtests.
_SIMULATED = gettext_noop(" A backtest is a simulation on past data, and promises no future result.")


def disclaimer(language: Language, *, is_of_backtest: bool, is_by_models: bool | None) -> str:
    """Return the sentences of the disclaimer; None if it is not known who wrote the analysis."""
    texts = (_WRITTEN[is_by_models], _DISCLAIMER, *([_SIMULATED] if is_of_backtest else []))
    return "".join(gettext(text, language) for text in texts)
