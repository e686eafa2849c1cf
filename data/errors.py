"""The one kind of error that is shown to the user as it stands; everything else is a bug and may crash."""


class UserError(Exception):
    """Something that the user can mend. ``str(error)`` is one line: where it is wrong and what to do."""

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))
