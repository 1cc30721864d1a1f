"""Faults of parameters and of an imported file in the language of the page; nothing confidential is in them."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .algorithms import Fault

WORDS = {
    "RND101": gettext_lazy("A list needs two arms or more."),
    "RND105": gettext_lazy("A part of the ratio is not allowed. Use whole numbers, 1 to %(most)s."),
    "RND107": gettext_lazy("This scheme needs two arms in the ratio 1:1."),
    "RND108": gettext_lazy("A parameter is given that this scheme does not have. Leave it out."),
    "RND109": gettext_lazy("This scheme needs arms in equal shares."),
    "RND111": gettext_lazy("No block size is given. Give at least one."),
    "RND112": gettext_lazy(
        "number %(number)s: It is not a block size. Use a whole number from the ratio’s sum to %(most)s."
    ),
    "RND113": gettext_lazy("number %(number)s: The same size is given before. Give each size once."),
    "RND114": gettext_lazy("number %(number)s: It is not a multiple of the ratio’s sum. Use a multiple of %(total)s."),
    "RND131": gettext_lazy("It is not given."),
    "RND132": gettext_lazy("It is not a whole number from %(low)s to %(high)s."),
    "RND133": gettext_lazy("It is not a probability. Write a fraction such as 2/3, or at most four decimals."),
    "RND134": gettext_lazy("It is none of the choices."),
    "RND135": gettext_lazy("The factor has no weight. Give it one."),
    "RND136": gettext_lazy("A weight is given for no factor. Leave it out."),
    "RND137": gettext_lazy("It does not favor the arm that is behind. Use more than one half."),
    "RND141": gettext_lazy("There is no factor to balance."),
    "RND142": gettext_lazy("It does not favor the arm that balances best. Use more than one part of the ratio’s sum."),
    "RND143": gettext_lazy("The parts of the ratio add up to more than %(most)s."),
    "RND151": gettext_lazy("The file is too large."),
    "RND152": gettext_lazy("The file is empty. Choose the file with the slots."),
    "RND153": gettext_lazy("The file is not UTF-8 text. Save it as CSV, UTF-8."),
    "RND154": gettext_lazy(
        "The first row is not the header: stratum, position, arm, and number where there are own numbers."
    ),
    "RND155": gettext_lazy("Row %(row)s: the arm is none of the study."),
    "RND156": gettext_lazy("Row %(row)s: the stratum is none of the study."),
    "RND157": gettext_lazy("Row %(row)s: the position is not a whole number. Count each stratum from 1."),
    "RND158": gettext_lazy(
        "Row %(row)s: the own number is missing or not allowed. Use 1 to %(most)s letters, digits and . _ / -"
    ),
    "RND159": gettext_lazy("Row %(row)s: the own number stands in a row before."),
    "RND160": gettext_lazy("Row %(row)s: the slot stands in a row before. Give each position of a stratum once."),
    "RND161": gettext_lazy("Row %(row)s: the position lies beyond the %(size)s slots that the study gives a stratum."),
    "RND162": gettext_lazy("Row %(row)s has another number of cells than the header."),
    "RND163": gettext_lazy("Row %(row)s cannot be read as CSV."),
    "RND164": gettext_lazy(
        "Stratum %(stratum)s: %(count)s slots are missing (%(positions)s). Give positions 1 to %(size)s without a hole."
    ),
    "RND165": gettext_lazy("There are %(count)s more faults. Correct these first."),
}


def fault_words(fault: Fault) -> str:
    """A fault in words; what has none here is said as the algorithm says it."""
    words = WORDS.get(fault.code)
    if words is None:
        return _("%(place)s: %(fault)s") % {"place": fault.place, "fault": f"{fault.fault} {fault.remedy}"}
    return str(words) % fault.values


__all__ = ["WORDS", "fault_words"]
