"""What the notices of this room say. None names an arm, a slot or a stratum."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from trial import notice_kinds
from trial.notice_kinds import NoticeKind

from .actions import corrections, differences


def register() -> None:
    """Make the kinds of notices known, once, when the room is ready."""
    notice_kinds.register(
        "randomized",
        NoticeKind(
            subject=_("{code}: randomized"),
            body=_("Participant {code} of site {site} was randomized on {date}.\n\nSee {url}"),
        ),
    )
    notice_kinds.register(
        "registered",
        NoticeKind(
            subject=_("{code}: registered, not randomized"),
            body=_("Participant {code} of site {site} was registered, without randomization, on {date}.\n\nSee {url}"),
        ),
    )
    notice_kinds.register(
        corrections.PROPOSED,
        NoticeKind(
            subject=_("A correction of the allocation list waits for a second person"),
            body=_(
                "On {date} a correction of the allocation list was proposed. It takes effect when another "
                "unblinded statistician approves it.\n\nSee {url}"
            ),
            is_settled=corrections.notice_is_settled,
        ),
    )
    notice_kinds.register(
        corrections.HELD,
        NoticeKind(
            subject=_("Randomization is on hold"),
            body=_(
                "Randomization was put on hold on {date}. Another unblinded statistician confirms the hold, or "
                "rejects it, which lifts it.\n\nSee {url}"
            ),
            is_settled=corrections.notice_is_settled,
        ),
    )
    notice_kinds.register(
        corrections.APPROVED,
        NoticeKind(
            subject=_("Your correction of the allocation list was approved"),
            body=_("The second person approved it on {date}: it is in effect.\n\nSee {url}"),
        ),
    )
    notice_kinds.register(
        corrections.REJECTED,
        NoticeKind(
            subject=_("Your correction of the allocation list was rejected"),
            body=_("The second person rejected it on {date}; the reason stands with it.\n\nSee {url}"),
        ),
    )
    notice_kinds.register(
        differences.DIFFERS,
        NoticeKind(
            subject=_("{code}: the data no longer say the frozen stratum"),
            body=_(
                "Since {date} a stratification factor of participant {code} (site {site}), by the data, is not the "
                "one that was frozen. Stratum and allocation stay as they were.\n\nSee {url}"
            ),
        ),
    )
