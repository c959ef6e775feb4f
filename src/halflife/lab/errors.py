"""What the lab tells a user who asked for the impossible."""


class StudyError(ValueError):
    """A request that cannot be met, said in one sentence.

    Example:
        >>> from halflife.lab import Settings, StudyError
        >>> try:
        ...     Settings("ridge", seeds=0)
        ... except StudyError as error:
        ...     print(error)
        seeds must be at least 1, but 0 was given.
    """
