"""What the lab tells a user who asked for the impossible."""


class StudyError(ValueError):
    """A request that cannot be met, said in one sentence."""
