"""What is left of a request that has failed."""

from __future__ import annotations


def let_go(error: BaseException) -> None:
    """Free what a request had in memory when it failed with this error; nobody needs to know where it was raised.

    A traceback keeps the variables of all frames that the error passed through, such as a body and its images. Where
    one of them is a future, it keeps the error in turn, and both would stay until the garbage is collected.
    """
    left: BaseException | None = error
    while left is not None:
        left.__traceback__ = None
        left = left.__cause__ or left.__context__
